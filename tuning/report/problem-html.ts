/** One problem on the page: who won and why, the finalists, how the search went, what each axis did, and what failed. */
import { formatBytes, formatCount, formatNs, formatRange, formatSeconds, formatShare, formatTimes, plural, shortKernel } from './format.js';
import { html, trusted, type Markup } from './markup.js';
import { DEFAULT_LINE, WINNER_KEY, figure, legend, table } from './parts.js';
import type { KernelResources } from '../types.js';
import { STATE_MEANINGS } from './outcomes.js';
import { axisPlots, convergencePlots, standingsPlot } from './plots.js';
import type { AxisEffect, CandidateDetail, MessageGroup, ProblemDetail } from './types.js';

const CANDIDATES_SHOWN = 15;
const MESSAGES_SHOWN = 12;

export function problemHtml(problem: ProblemDetail): Markup {
  return html`<article class="problem" id="${problem.id}">
<h3>${problem.label}${problem.winner?.dirty === true ? html` <span class="tag">measured on a disturbed machine</span>` : null}</h3>
<p class="doc">${problem.summary}</p>
${verdict(problem)}
${facts(problem)}
${standings(problem)}
${convergence(problem)}
${axes(problem)}
${candidates(problem)}
${messageTable(`Failed candidates of ${problem.label}`, problem.messages)}
</article>
`;
}

function verdict({ winner, reason, standings: all, defaultId }: ProblemDetail): Markup {
  if (winner === null) return html`<p class="lead">Not decided: ${reason}</p>`;
  const interval = winner.speedUpLow === null || winner.speedUpHigh === null || winner.isDefault ? null : `(95 % confidence: ${formatRange(winner.speedUpLow, winner.speedUpHigh)})`;
  const place = all.findIndex(({ kernelId }) => kernelId === defaultId) + 1;
  return html`<p class="lead">${winner.isDefault ? html`<b>The default variant stays.</b>` : html`<b>${formatTimes(winner.speedUp)}</b> as fast as the default ${interval}: ${formatNs(winner.medianNs)} instead of ${formatNs(winner.defaultNs)}.`}</p>
<p><span class="id">${winner.kernelId}</span></p>
<p>Why: ${reason}.${winner.tied.length === 0 ? null : html` Near-ties: ${winner.tied.map((id, i) => html`${i > 0 ? '; ' : ''}<span class="id">${shortKernel(id)}</span>`)}.`}${place > 0 && !winner.isDefault ? ` The default is number ${place} of ${all.length} finalists.` : ''}</p>`;
}

function facts({ problem, spaceSize, candidates: tried, cost, winner, compileSeconds, evaluateSeconds, isa }: ProblemDetail): Markup {
  const rate = winner === null || cost === null ? null : `${(cost.readBytes / winner.medianNs).toFixed(1)} GB/s read, ${formatGflops(cost.flops / winner.medianNs)}`;
  return html`<dl class="facts">
<dt>Problem</dt><dd><span class="id">${problem}</span>, kernels for ${isa}</dd>
${cost === null ? null : html`<dt>Asks for</dt><dd>${formatBytes(cost.readBytes)} read, ${formatBytes(cost.writeBytes)} written, ${(cost.flops / 1e6).toFixed(1)} million operations${rate === null ? null : `; the winner: ${rate}`}</dd>`}
${winner === null || winner.roofShare === null ? null : html`<dt>Share of the limit</dt><dd>${formatShare(winner.roofShare)}${winner.isDefault || winner.defaultRoofShare === null ? null : ` (the default: ${formatShare(winner.defaultRoofShare)})`}</dd>`}
<dt>Searched</dt><dd>${formatCount(tried.length)}${spaceSize === null ? null : ` of ${formatCount(spaceSize)}`} variants in ${formatSeconds(compileSeconds + evaluateSeconds)} (${formatSeconds(compileSeconds)} compiling, ${formatSeconds(evaluateSeconds)} measuring)</dd>
${winner === null ? null : html`<dt>Decided</dt><dd>${winner.measuredAt.replace('T', ' ').slice(0, 16)} UTC, run ${winner.run}; ${winner.compiler}; ${winner.driver}</dd>`}
</dl>`;
}

const formatGflops = (perNs: number): string => (perNs < 1000 ? `${perNs.toFixed(1)} GFLOP/s` : `${(perNs / 1000).toFixed(1)} TFLOP/s`);

function standings({ label, standings: all, winner }: ProblemDetail): Markup | null {
  if (all.length < 2) return null;
  const numbers = table(
    `Finalists of ${label}`,
    [
      { name: 'kernel', cell: ({ kernelId, isDefault }) => `${kernelId}${isDefault ? ' (default)' : ''}`, kind: 'id' },
      { name: 'time', cell: ({ medianNs }) => formatNs(medianNs), number: ({ medianNs }) => medianNs },
      { name: 'relative', cell: ({ ratio }) => ratio.median.toFixed(3), number: ({ ratio }) => ratio.median },
      { name: '95 % interval', cell: ({ ratio }) => `${ratio.low.toFixed(3)}–${ratio.high.toFixed(3)}`, number: ({ ratio }) => ratio.low },
      { name: 'held out', cell: ({ heldOut }) => (heldOut === null ? '–' : `${heldOut.median.toFixed(3)} (${heldOut.low.toFixed(3)}–${heldOut.high.toFixed(3)})`), number: ({ heldOut }) => heldOut?.median ?? null },
      { name: 'samples', cell: ({ samples }) => samples, number: ({ samples }) => samples },
      { name: '', cell: ({ tied, refuted }) => (refuted ? 'refuted on held-out contents' : tied ? 'near-tie' : '') },
    ],
    all,
    { marked: ({ kernelId }) => kernelId === winner?.kernelId },
  );
  return html`<h4>The finalists</h4>${figure(
    'Measured in turn, round by round. Bars are 95 % confidence intervals of the median; hollow dots are the same kernel on contents that the search never saw, in a replayed plan.',
    [WINNER_KEY, { name: 'other finalists', colour: 'var(--other)', shape: 'dot' }, DEFAULT_LINE, { name: 'held out', colour: 'var(--winner)', shape: 'hollow' }],
    standingsPlot(label, all, winner?.kernelId ?? null),
    numbers,
  )}`;
}

function convergence({ label, convergence: points, candidates: tried }: ProblemDetail): Markup | null {
  const last = points.at(-1);
  if (last === undefined || points.length < 2) return null;
  const [byCandidates, bySeconds] = convergencePlots(label, points, tried);
  const within = points.find(({ best }) => best <= last.best * 1.03);
  const numbers = table(
    `Improvements during the search of ${label}`,
    [
      { name: 'candidates', cell: (point) => point.tried, number: (point) => point.tried },
      { name: 'seconds', cell: ({ seconds }) => seconds.toFixed(1), number: ({ seconds }) => seconds },
      { name: 'best so far', cell: ({ best }) => best.toFixed(3), number: ({ best }) => best },
      { name: 'kernel', cell: ({ kernelId }) => kernelId, kind: 'id' },
    ],
    points,
  );
  return html`<h4>How the search went</h4><figure><figcaption>The best time found so far, relative to the default. ${within === undefined ? null : `It was within 3 % of its end after ${plural(within.tried, 'candidate')} and ${formatSeconds(within.seconds)}.`} A search picks lucky samples too: the final above tells what the best is worth.</figcaption>
${legend([{ name: 'best so far', colour: 'var(--winner)', shape: 'line' }, { name: 'a candidate', colour: 'var(--other)', shape: 'dot' }, { name: 'given up early', colour: 'var(--faint)', shape: 'dot' }, DEFAULT_LINE])}
<div class="pair"><div>${trusted(byCandidates ?? '')}</div><div>${trusted(bySeconds ?? '')}</div></div><details><summary>The numbers of this chart</summary>${numbers}</details></figure>`;
}

function axes({ label, axes: effects, candidates: tried }: ProblemDetail): Markup | null {
  const plots = axisPlots(label, effects, tried);
  if (plots.length === 0) return null;
  const rows = effects.flatMap((effect) => effect.values.map((value) => ({ effect, value })));
  const numbers = table<{ effect: AxisEffect; value: AxisEffect['values'][number] }>(
    `Tuning axes of ${label}`,
    [
      { name: 'axis', cell: ({ effect }) => effect.axis },
      { name: 'value', cell: ({ value }) => value.value, number: ({ value }) => value.value },
      { name: 'candidates', cell: ({ value }) => value.count, number: ({ value }) => value.count },
      { name: 'best', cell: ({ value }) => value.best.toFixed(3), number: ({ value }) => value.best },
      { name: 'median', cell: ({ value }) => value.median.toFixed(3), number: ({ value }) => value.median },
      { name: 'middle half', cell: ({ value }) => `${value.lowQuartile.toFixed(3)}–${value.highQuartile.toFixed(3)}`, number: ({ value }) => value.lowQuartile },
      { name: 'explains', cell: ({ effect }) => (effect.share === null ? '–' : formatShare(effect.share)), number: ({ effect }) => effect.share },
    ],
    rows,
    { marked: ({ value }) => value.isWinner },
  );
  return html`<h4>What each axis did</h4><figure><figcaption>Time relative to the default by axis value: the best candidate (circle), the median (line), and the middle half (bar); less is better (K: × 1024). Axes that explain most of the differences come first. A search tries good regions more often, so that a share is a hint and no experiment.</figcaption>
${legend([{ name: 'best candidate', colour: 'var(--winner)', shape: 'hollow' }, { name: 'the winner’s value', colour: 'var(--winner)', shape: 'dot' }, { name: 'middle half', colour: 'var(--other)' }, DEFAULT_LINE])}
<div class="small">${plots.map(({ effect, svg }) => html`<div><h5>${effect.axis} <span>${effect.share === null ? null : `explains ${formatShare(effect.share)}`}</span></h5>${trusted(svg)}</div>`)}</div>
<details><summary>The numbers of these charts, and what the axes mean</summary><dl class="facts">${effects.map(({ axis, doc }) => html`<dt>${axis}</dt><dd>${doc}</dd>`)}</dl>${numbers}</details></figure>`;
}

function candidates({ label, candidates: tried, winner }: ProblemDetail): Markup | null {
  const measured = tried.filter(({ ratio }) => ratio !== null).sort((a, b) => (a.ratio ?? 0) - (b.ratio ?? 0));
  if (measured.length === 0) return null;
  const shown = measured.slice(0, CANDIDATES_SHOWN);
  const rows = table<CandidateDetail>(
    `Fastest candidates of ${label}`,
    [
      { name: 'kernel', cell: ({ kernelId, isDefault }) => `${kernelId}${isDefault ? ' (default)' : ''}`, kind: 'id' },
      { name: 'relative', cell: ({ ratio }) => ratio?.toFixed(3), number: ({ ratio }) => ratio },
      { name: 'time', cell: ({ medianNs }) => (medianNs === null ? '–' : formatNs(medianNs)), number: ({ medianNs }) => medianNs },
      { name: 'samples', cell: ({ samples }) => samples, number: ({ samples }) => samples },
      { name: 'resources', cell: ({ resources, sameCodeAs }) => `${resourcesText(resources)}${sameCodeAs === null ? '' : ' (same code as another)'}` },
    ],
    shown,
    { sortable: true, marked: ({ kernelId }) => kernelId === winner?.kernelId },
  );
  return html`<details><summary>The ${shown.length} fastest candidates of the search</summary>${rows}<p class="muted">All of them, with their axes as columns: <code>griffin report --csv candidates</code></p></details>`;
}

function resourcesText({ registers, sharedBytes, codeBytes }: KernelResources): string {
  const parts = [registers === undefined ? [] : `${registers} registers`, sharedBytes === undefined ? [] : `${formatBytes(sharedBytes)} shared`, codeBytes === undefined ? [] : `${formatBytes(codeBytes)} code`].flat();
  return parts.length === 0 ? '–' : parts.join(', ');
}

/** Failures by message, the most frequent first. */
export function messageTable(caption: string, messages: readonly MessageGroup[], withProblem = false): Markup | null {
  if (messages.length === 0) return null;
  const shown = messages.slice(0, MESSAGES_SHOWN);
  const hidden = messages.slice(MESSAGES_SHOWN).reduce((sum, { count }) => sum + count, 0);
  return html`<h4>What failed, and why</h4>${table<MessageGroup>(
    caption,
    [
      { name: 'state', cell: ({ state }) => html`<b>${state}</b><br><span class="muted">${STATE_MEANINGS[state]}</span>`, kind: 'w' },
      { name: 'count', cell: ({ count }) => count, number: ({ count }) => count },
      { name: 'message', cell: ({ message }) => clip(message, 400) },
      { name: 'an example', cell: ({ kernelId, problem }) => html`<span class="id">${kernelId}${withProblem ? ` at ${problem}` : ''}</span>`, kind: 'id' },
    ],
    shown,
  )}${hidden === 0 ? null : html`<p class="muted">And ${plural(hidden, 'candidate')} with other messages.</p>`}`;
}

const clip = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most)} …`);
