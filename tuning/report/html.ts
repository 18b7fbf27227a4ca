/**
 * A library's report as one HTML file that needs nothing else: no network, no script for anything that matters. Charts are SVG in the page,
 * each with its numbers in a table.
 */
import { formatCount, formatNs, formatRange, formatSeconds, formatShare, formatTimes, plural, shortKernel } from './format.js';
import { html, trusted, type Markup } from './markup.js';
import { DEFAULT_LINE, WINNER_KEY, figure, stateKeys, table } from './parts.js';
import { outcomesPlot, roofPlot, speedUpPlot, timePlot } from './plots.js';
import { messageTable, problemHtml } from './problem-html.js';
import { STATE_MEANINGS } from './outcomes.js';
import { SCRIPT, STYLE } from './style.js';
import { OUTCOME_STATES } from '../types.js';
import type { ProblemDetail, Reading, ReportData, RunSummary, SectionReport } from './types.js';

export function reportHtml(data: ReportData): string {
  const title = `Tuning report: ${data.sections.map(({ deviceName }) => deviceName).join(', ')}`;
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>${title}</title><style>${trusted(STYLE)}</style></head>
<body><header><h1>Tuning report</h1><p class="muted">Library <span class="id">${data.library}</span>, read ${data.writtenAt.replace('T', ' ').slice(0, 16)} UTC</p>${contents(data)}</header>
<main>${data.sections.map((section) => sectionHtml(section))}${runs(data)}</main>
<footer>Written by <code>griffin report</code>. Times are medians; intervals are 95 % confidence intervals of the median over pairs of samples taken in turn with the default variant.</footer>
<script>${trusted(SCRIPT)}</script></body></html>
`;
  return page.html;
}

function contents({ sections }: ReportData): Markup {
  return html`<nav class="contents" aria-label="Contents">${sections.map(
    (section) => html`<div><a href="#${section.id}"><b>${section.deviceName}</b>, ${section.regime}</a><ol>${section.problems.map(({ id, label, winner }) => html`<li><a href="#${id}">${label}</a>${winner === null ? ' – open' : winner.isDefault ? ' – default stays' : ` – ${formatTimes(winner.speedUp)}`}</li>`)}</ol></div>`,
  )}<a href="#runs">Runs and journals</a></nav>`;
}

function sectionHtml(section: SectionReport): Markup {
  const { problems } = section;
  return html`<section class="device" id="${section.id}"><h2>${section.deviceName} <span class="muted">${section.regime}</span></h2>
${summary(section)}
${deviceFacts(section)}
${winners(section)}
${outcomes(section)}
${machine(section)}
${problems.map(problemHtml)}</section>
`;
}

function summary({ headline, advice }: SectionReport): Markup {
  const { decided, problems, medianSpeedUp, bestSpeedUp, defaults, medianRoofShare, candidates, failed, compileSeconds, evaluateSeconds, dirty } = headline;
  const won = decided - defaults;
  const lead =
    medianSpeedUp === null
      ? `None of ${plural(problems, 'problem')} is decided yet.`
      : `${decided === problems ? (problems === 1 ? 'The problem is' : `All ${problems} problems are`) : `${decided} of ${problems} problems are`} decided. ${won === 0 ? 'The default variants stay everywhere.' : `${won} of the winners ${won === 1 ? 'is a kernel that beats' : 'are kernels that beat'} the default; in the median over problems the library is ${formatTimes(medianSpeedUp)} as fast as the defaults, at best ${formatTimes(bestSpeedUp ?? 1)}.`} ${dirty === 0 ? 'The machine was calm while it was decided.' : `${plural(dirty, 'decision')} rest on a disturbed machine.`}`;
  const card = (value: string, name: string): Markup => html`<li><b>${value}</b><span>${name}</span></li>`;
  return html`<p class="lead">${lead}</p>
<ul class="cards">${medianSpeedUp === null ? null : card(formatTimes(medianSpeedUp), 'median speed-up over the default')}${card(`${decided}/${problems}`, 'problems decided')}${medianRoofShare === null ? null : card(formatShare(medianRoofShare), 'of the machine’s limit, in the median')}${card(dirty === 0 ? 'clean' : `${dirty} dirty`, dirty === 0 ? 'no decision on a disturbed machine' : 'decisions on a disturbed machine')}${card(formatCount(candidates), `candidates, ${formatCount(failed)} failed`)}${card(formatSeconds(compileSeconds + evaluateSeconds), `of work, ${formatSeconds(compileSeconds)} compiling`)}</ul>
<h3>What to do next</h3><ul class="advice">${advice.map(({ level, text, command }) => html`<li class="${level}"><b>${level === 'warning' ? 'Needed:' : level === 'good' ? 'Good:' : 'Worth a thought:'}</b> ${text}${command === null ? null : html`<code>${command}</code>`}</li>`)}</ul>`;
}

function deviceFacts({ deviceKey, regime, drivers, compilers, identity, decisions }: SectionReport): Markup {
  return html`<dl class="facts"><dt>Device</dt><dd><span class="id">${deviceKey}</span>${identity === null ? null : `, ${identity.cores} ${identity.kind === 'cpu' ? 'cores' : 'multiprocessors'}, runs ${identity.isas.join(', ')}`}</dd>
<dt>Driver</dt><dd>${drivers.join('; ') || 'not known'}</dd><dt>Compiler</dt><dd>${compilers.join('; ') || 'not known'}</dd><dt>Regime</dt><dd>${regime}: ${regimeText(regime)}</dd>
${decisions.map(({ dims, choice, gatherNs, compactNs, compactionNs }) => html`<dt>Gather or pack</dt><dd>${choice === 'gather' ? 'read the kept neurons in place' : 'pack the kept neurons once per generation'} at k = ${dims['k'] ?? 0} of ${dims['intermediate'] ?? 0}: gather ${formatNs(gatherNs)}, packed ${formatNs(compactNs)} per step and layer; packing ${formatNs(compactionNs)} once per layer</dd>`)}</dl>`;
}

function regimeText(regime: string): string {
  const threads = /-t(\d+)$/.exec(regime)?.[1];
  const launch = regime.startsWith('graph') ? 'launched as graphs' : regime.startsWith('eager') ? 'launched one by one' : 'launched as recorded plans';
  return `${launch}, weights cold${threads === undefined ? '' : `, ${plural(Number(threads), 'thread')}`}`;
}

function winners({ problems }: SectionReport): Markup {
  const decided = problems.filter(({ winner }) => winner !== null);
  const roofed = decided.filter(({ winner }) => winner !== null && winner.roofShare !== null);
  const rows = table<ProblemDetail>(
    'Winners',
    [
      { name: 'problem', cell: ({ id, label }) => html`<a href="#${id}">${label}</a>`, kind: 'w' },
      { name: 'winner', cell: ({ winner, reason }) => (winner === null ? reason : html`<span class="id">${winner.isDefault ? 'default' : shortKernel(winner.kernelId)}</span>${winner.dirty ? html` <span class="tag">dirty</span>` : null}`), kind: 'id' },
      { name: 'time', cell: ({ winner }) => (winner === null ? '–' : formatNs(winner.medianNs)), number: ({ winner }) => winner?.medianNs ?? null },
      { name: 'speed-up', cell: ({ winner }) => (winner === null ? '–' : formatTimes(winner.speedUp)), number: ({ winner }) => winner?.speedUp ?? null },
      { name: '95 % interval', cell: ({ winner }) => (winner === null || winner.speedUpLow === null || winner.speedUpHigh === null || winner.isDefault ? '–' : formatRange(winner.speedUpLow, winner.speedUpHigh)), number: ({ winner }) => winner?.speedUpLow ?? null },
      { name: 'of the limit', cell: ({ winner }) => (winner === null || winner.roofShare === null ? '–' : formatShare(winner.roofShare)), number: ({ winner }) => winner?.roofShare ?? null },
      { name: 'near-ties', cell: ({ winner }) => winner?.tied.length ?? '–', number: ({ winner }) => winner?.tied.length ?? null },
      { name: 'tried', cell: ({ candidates, spaceSize }) => `${formatCount(candidates.length)}${spaceSize === null ? '' : ` / ${formatCount(spaceSize)}`}`, number: ({ candidates }) => candidates.length },
    ],
    problems,
    { sortable: true },
  );
  return html`<h3>Winners</h3>${rows}${decided.length === 0 ? null : figure('How many times as fast as the default variant each winner is. Bars are 95 % confidence intervals; hollow dots were measured on a disturbed machine.', [WINNER_KEY, DEFAULT_LINE], speedUpPlot(problems))}${
    roofed.length === 0
      ? null
      : figure(
          'How near each kernel comes to what the machine can do: the time that the measured read bandwidth (or the rate of multiply-adds, whichever is nearer) would allow, over the time taken. Small problems stay far below: starting and synchronising counts there.',
          [WINNER_KEY, { name: 'the default variant', colour: 'var(--default)', shape: 'diamond' }, { name: 'the limit', colour: 'currentColor', shape: 'dash' }],
          roofPlot(problems),
          table<ProblemDetail>(
            'Share of the machine’s limit',
            [
              { name: 'problem', cell: ({ label }) => label, kind: 'w' },
              { name: 'default', cell: ({ winner }) => (winner === null || winner.defaultRoofShare === null ? '–' : formatShare(winner.defaultRoofShare)), number: ({ winner }) => winner?.defaultRoofShare ?? null },
              { name: 'winner', cell: ({ winner }) => (winner === null || winner.roofShare === null ? '–' : formatShare(winner.roofShare)), number: ({ winner }) => winner?.roofShare ?? null },
            ],
            roofed,
          ),
        )
  }`;
}

function outcomes({ problems, outcomes: counts, messages }: SectionReport): Markup {
  const seen = OUTCOME_STATES.filter((state) => counts[state] > 0);
  const tried = problems.filter(({ candidates }) => candidates.length > 0);
  if (tried.length === 0) return html``;
  const numbers = table<ProblemDetail>('Candidates by state', [{ name: 'problem', cell: ({ label }) => label, kind: 'w' }, ...seen.map((state) => ({ name: state, cell: ({ outcomes: own }: ProblemDetail) => own[state], number: ({ outcomes: own }: ProblemDetail) => own[state] }))], tried);
  const time = table<ProblemDetail>(
    'Seconds by problem',
    [
      { name: 'problem', cell: ({ label }) => label, kind: 'w' },
      { name: 'compiling', cell: ({ compileSeconds }) => compileSeconds.toFixed(1), number: ({ compileSeconds }) => compileSeconds },
      { name: 'measuring', cell: ({ evaluateSeconds }) => evaluateSeconds.toFixed(1), number: ({ evaluateSeconds }) => evaluateSeconds },
    ],
    tried,
  );
  return html`<h3>What became of the candidates</h3>${figure(html`Shares by state; the number at the right is how many were tried. ${seen.map((state, i) => html`${i > 0 ? '; ' : ''}<b>${state}</b>: ${STATE_MEANINGS[state]}`)}.`, stateKeys(counts), outcomesPlot(tried), numbers)}
${messageTable('Failed candidates of all problems', messages, true)}
<h3>Where the time went</h3>${figure('Seconds of compiling (summed over processes) and of verifying and measuring, by problem. Time goes to problems by how often a model calls them and what is to be gained.', [{ name: 'compiling', colour: 'var(--compile)' }, { name: 'verifying and measuring', colour: 'var(--winner)' }], timePlot(tried), time)}`;
}

const UNITS: Readonly<Record<Reading['unit'], (value: number) => string>> = {
  share: (value) => formatShare(value),
  MHz: (value) => `${Math.round(value)} MHz`,
  W: (value) => `${Math.round(value)} W`,
  '°C': (value) => `${Math.round(value)} °C`,
};

function machine({ conditions }: SectionReport): Markup | null {
  const { measurements, dirty, retaken, readings, throttle } = conditions;
  if (measurements === 0) return null;
  return html`<h3>The machine meanwhile</h3><p>${plural(measurements, 'measurement')}: ${plural(retaken, 'pair')} of samples ${retaken === 1 ? 'was' : 'were'} thrown away because the machine was disturbed, and ${dirty === 0 ? 'none stayed' : `${formatCount(dirty)} stayed`} disturbed to the end.${throttle.length === 0 ? '' : ` Clocks were lowered in some: ${throttle.map(({ reason, count }) => `${reason} (${plural(count, 'measurement')})`).join(', ')}.`}</p>
${
  readings.length === 0
    ? html`<p class="muted">Clocks, temperature and foreign load were not recorded.</p>`
    : table<Reading>(
        'Conditions',
        [
          { name: 'reading', cell: ({ name }) => name },
          { name: 'low (5 %)', cell: ({ low, unit }) => UNITS[unit](low), number: ({ low }) => low },
          { name: 'median', cell: ({ median, unit }) => UNITS[unit](median), number: ({ median }) => median },
          { name: 'high (95 %)', cell: ({ high, unit }) => UNITS[unit](high), number: ({ high }) => high },
          { name: 'measurements', cell: ({ count }) => formatCount(count), number: ({ count }) => count },
        ],
        readings,
      )
}`;
}

const ENDS: Readonly<Record<RunSummary['end'], string>> = { done: 'done', interrupted: 'stopped by its user', failed: 'failed', killed: 'no end recorded: killed, or still at work' };

function runs({ runs: all, journals, badEntries }: ReportData): Markup {
  return html`<section id="runs"><h2>Runs and journals</h2>${
    all.length === 0
      ? html`<p class="muted">No run is recorded.</p>`
      : table<RunSummary>(
          'Runs',
          [
            { name: 'run', cell: ({ run, shard }) => html`<span class="id">${run}</span>${shard === null ? null : ` shard ${shard}`}`, kind: 'id' },
            { name: 'started (UTC)', cell: ({ startedAt }) => startedAt.replace('T', ' ').slice(0, 19) },
            { name: 'lasted', cell: ({ startedAt, lastAt }) => formatSeconds((Date.parse(lastAt) - Date.parse(startedAt)) / 1000), number: ({ startedAt, lastAt }) => Date.parse(lastAt) - Date.parse(startedAt) },
            { name: 'end', cell: ({ end, dirty }) => html`${ENDS[end]}${dirty ? html` <span class="tag">dirty</span>` : null}` },
            { name: 'candidates', cell: ({ candidates }) => formatCount(candidates), number: ({ candidates }) => candidates },
            { name: 'finals', cell: ({ finals }) => finals, number: ({ finals }) => finals },
            { name: 'search', cell: ({ strategy, effort, seed }) => `${strategy}, ${effort}, seed ${seed}` },
            { name: 'version', cell: ({ toolVersion }) => toolVersion },
          ],
          all,
          { sortable: true },
        )
  }
${table(
  'Journals',
  [
    { name: 'journal', cell: ({ name }) => html`<span class="id">${name}</span>` },
    { name: 'lines', cell: ({ lines }) => formatCount(lines), number: ({ lines }) => lines },
    { name: 'unreadable', cell: ({ badLines }) => formatCount(badLines), number: ({ badLines }) => badLines },
    { name: 'of other versions', cell: ({ oldLines }) => formatCount(oldLines), number: ({ oldLines }) => oldLines },
  ],
  journals,
)}${badEntries.length === 0 ? null : html`<p>Entries that could not be read:</p><ul>${badEntries.map((entry) => html`<li>${entry}</li>`)}</ul>`}</section>`;
}
