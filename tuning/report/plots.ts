/** Charts as SVG text, drawn by Observable Plot on a stand-in for a browser's document. Colours are CSS variables of the page, so that one chart serves light, dark and print. */
import * as Plot from '@observablehq/plot';
import domino from '@mixmark-io/domino';
import { OUTCOME_STATES } from '../types.js';
import { formatCount, formatShare, formatTimes, shortKernel, visibleText } from './format.js';
import type { AxisEffect, CandidateDetail, ConvergencePoint, ProblemDetail, Standing } from './types.js';

const WIDTH = 1000;
const LABEL_WIDTH = 330;
/** Letters that fit there. */
const LABEL_LETTERS = 43;
const ROW = 26;
const WINNER = 'var(--winner)';
const DEFAULT = 'var(--default)';
const FAINT = 'var(--faint)';
/** More dots than this say no more and weigh a page down. */
const MOST_DOTS = 500;
/** Slower than this, a candidate is not worth the room that it would take on a scale. */
const SLOWEST_SHOWN = 2.5;

type Options = Plot.PlotOptions;

/** Renders a chart. `title` is what a screen reader says. */
function draw(title: string, options: Options): string {
  const svg = Plot.plot({
    document: domino.createDocument(''),
    width: WIDTH,
    className: 'chart',
    ariaLabel: visibleText(title),
    style: { fontSize: '12px', fontFamily: 'inherit', background: 'none', overflow: 'visible' } as never,
    ...options,
  } as Options) as unknown as { setAttribute(name: string, value: string): void; outerHTML: string };
  svg.setAttribute('role', 'img');
  // Hundredths of a pixel are enough.
  return svg.outerHTML.replace(/<[^>]+>/g, (tag) => tag.replace(/(\d\.\d{2})\d+/g, '$1'));
}

/** Rows named at the left, one for each problem. */
function rows(labels: readonly string[], options: Options): Options {
  return {
    marginLeft: LABEL_WIDTH,
    marginRight: 64,
    marginTop: 30,
    marginBottom: 34,
    height: labels.length * ROW + 64,
    y: { domain: [...labels], label: null, tickSize: 0, tickFormat: (label: string) => ellipsis(label, LABEL_LETTERS) } as never,
    ...options,
  };
}

/** What tells kernels of one problem apart: the parts of their names that not all have. */
function differences(kernelIds: readonly string[]): readonly string[] {
  const parts = kernelIds.map((id) => shortKernel(id).split(' '));
  return parts.map((own) => own.filter((part) => !parts.every((others) => others.includes(part))).join(' '));
}

const ellipsis = (text: string, most: number): string => (text.length <= most ? text : `${text.slice(0, most - 1)}…`);

/** How many times as fast as the default each winner is, with its confidence interval. */
export function speedUpPlot(problems: readonly ProblemDetail[]): string {
  const data = problems.flatMap(({ label, winner }) => (winner === null ? [] : [{ label, ...winner }])).sort((a, b) => b.speedUp - a.speedUp);
  const lows = data.map(({ speedUp, speedUpLow }) => speedUpLow ?? speedUp);
  const highs = data.map(({ speedUp, speedUpHigh }) => speedUpHigh ?? speedUp);
  const intervals = data.filter(({ speedUpLow, speedUpHigh }) => speedUpLow !== null && speedUpHigh !== null && speedUpHigh > speedUpLow);
  return draw(
    'How many times as fast as the default variant each winner is, with 95 % confidence intervals',
    rows(data.map(({ label }) => label), {
      x: { domain: [Math.min(0.95, ...lows), Math.max(1.1, ...highs) * 1.01], label: 'times as fast as the default →', grid: true, labelAnchor: 'right', labelArrow: 'none' } as never,
      marks: [
        Plot.ruleX([1], { stroke: DEFAULT, strokeWidth: 2 }),
        Plot.ruleY(intervals, { y: 'label', x1: 'speedUpLow', x2: 'speedUpHigh', stroke: WINNER, strokeWidth: 3, strokeOpacity: 0.55 }),
        Plot.tickX(intervals.flatMap(({ label, speedUpLow, speedUpHigh }) => [speedUpLow, speedUpHigh].map((x) => ({ label, x }))), { x: 'x', y: 'label', stroke: WINNER, insetTop: 7, insetBottom: 7 }),
        Plot.dot(data, { x: 'speedUp', y: 'label', r: 5, fill: (d: { dirty: boolean }) => (d.dirty ? 'var(--page)' : WINNER), stroke: WINNER, strokeWidth: 2, title: (d: { kernelId: string; speedUp: number }) => `${d.kernelId}: ${formatTimes(d.speedUp)}` }),
        Plot.text(data, { y: 'label', frameAnchor: 'right', dx: 58, textAnchor: 'end', fill: 'currentColor', text: (d: { speedUp: number; dirty: boolean }) => `${formatTimes(d.speedUp)}${d.dirty ? ' ?' : ''}` }),
      ],
    }),
  );
}

/** Share of the machine's limit, default and winner. */
export function roofPlot(problems: readonly ProblemDetail[]): string {
  const data = problems
    .flatMap(({ label, winner }) => (winner === null || winner.roofShare === null ? [] : [{ label, share: winner.roofShare, before: winner.defaultRoofShare ?? winner.roofShare }]))
    .sort((a, b) => b.share - a.share);
  return draw(
    'Share of the machine’s limit that the default variant and the winner of each problem reach',
    rows(data.map(({ label }) => label), {
      x: { domain: [0, Math.max(1.05, ...data.map(({ share }) => share * 1.03))], label: 'share of the machine’s limit →', grid: true, tickFormat: (share: number) => `${Math.round(share * 100)} %`, labelAnchor: 'right', labelArrow: 'none' } as never,
      marks: [
        Plot.ruleX([1], { stroke: 'currentColor', strokeWidth: 1.5, strokeDasharray: '4 3' }),
        Plot.ruleY(data, { y: 'label', x1: 'before', x2: 'share', stroke: WINNER, strokeWidth: 3, strokeOpacity: 0.4 }),
        Plot.dot(data, { x: 'before', y: 'label', r: 5, symbol: 'diamond', fill: DEFAULT, stroke: 'var(--page)', title: (d: { before: number }) => `default: ${formatShare(d.before)}` }),
        Plot.dot(data, { x: 'share', y: 'label', r: 5, fill: WINNER, stroke: 'var(--page)', title: (d: { share: number }) => `winner: ${formatShare(d.share)}` }),
        Plot.text(data, { y: 'label', frameAnchor: 'right', dx: 58, textAnchor: 'end', fill: 'currentColor', text: (d: { share: number }) => formatShare(d.share) }),
      ],
    }),
  );
}

/** What became of the candidates of each problem, as shares. */
export function outcomesPlot(problems: readonly ProblemDetail[]): string {
  const data = problems.flatMap(({ label, outcomes, candidates }) =>
    OUTCOME_STATES.flatMap((state) => (outcomes[state] === 0 ? [] : [{ label, state, share: outcomes[state] / candidates.length, count: outcomes[state] }])),
  );
  const totals = problems.map(({ label, candidates }) => ({ label, total: candidates.length }));
  return draw(
    'What became of the candidates of each problem, as shares by state',
    rows(problems.map(({ label }) => label), {
      x: { domain: [0, 1], label: 'share of the candidates →', tickFormat: (share: number) => `${Math.round(share * 100)} %`, labelAnchor: 'right', labelArrow: 'none' } as never,
      color: { domain: [...OUTCOME_STATES], range: OUTCOME_STATES.map((state) => `var(--state-${state})`) },
      marks: [
        Plot.barX(data, { x: 'share', y: 'label', fill: 'state', order: [...OUTCOME_STATES], stroke: 'var(--page)', strokeWidth: 0.75, insetTop: 3, insetBottom: 3, title: (d: { state: string; count: number }) => `${d.state}: ${d.count}` } as never),
        Plot.text(totals, { y: 'label', frameAnchor: 'right', dx: 58, textAnchor: 'end', fill: 'currentColor', text: (d: { total: number }) => formatCount(d.total) }),
      ],
    }),
  );
}

/** Where the time went. */
export function timePlot(problems: readonly ProblemDetail[]): string {
  const data = problems.flatMap(({ label, compileSeconds, evaluateSeconds }) => [
    { label, part: 'compile', seconds: compileSeconds },
    { label, part: 'measure', seconds: evaluateSeconds },
  ]);
  const totals = problems.map(({ label, compileSeconds, evaluateSeconds }) => ({ label, total: compileSeconds + evaluateSeconds }));
  return draw(
    'Seconds spent on compiling and on measuring each problem',
    rows(problems.map(({ label }) => label), {
      x: { label: 'seconds →', grid: true, labelAnchor: 'right', labelArrow: 'none', nice: true } as never,
      color: { domain: ['compile', 'measure'], range: ['var(--compile)', WINNER] },
      marks: [
        Plot.barX(data, { x: 'seconds', y: 'label', fill: 'part', order: ['compile', 'measure'], insetTop: 4, insetBottom: 4, stroke: 'var(--page)', strokeWidth: 0.75 } as never),
        Plot.text(totals, { y: 'label', frameAnchor: 'right', dx: 58, textAnchor: 'end', fill: 'currentColor', text: (d: { total: number }) => `${d.total < 10 ? d.total.toFixed(1) : Math.round(d.total)} s` }),
        Plot.ruleX([0]),
      ],
    }),
  );
}

/** Times of the finalists relative to the default, with intervals; hollow: on held-out contents. */
export function standingsPlot(name: string, standings: readonly Standing[], winnerId: string | null): string {
  const names = differences(standings.map(({ kernelId }) => kernelId));
  const data = standings.map((standing, i) => ({ ...standing, ...standing.ratio, label: `${i + 1}. ${standing.isDefault ? 'default' : names[i]}`, colour: standing.kernelId === winnerId ? WINNER : standing.isDefault ? DEFAULT : 'var(--other)' }));
  const held = data.flatMap(({ label, heldOut, colour }) => (heldOut === null ? [] : [{ label, colour, ...heldOut }]));
  const all = [...data, ...held];
  const colour = (d: { colour: string }): string => d.colour;
  const shift = 8;
  return draw(
    `${name}: times of the finalists relative to the default variant, with 95 % confidence intervals`,
    rows(data.map(({ label }) => label), {
      x: { domain: [Math.min(0.97, ...all.map(({ low }) => low)), Math.max(1.02, ...all.map(({ high }) => high))], label: 'time relative to the default (less is better) →', grid: true, labelAnchor: 'right', labelArrow: 'none' } as never,
      marks: [
        Plot.ruleX([1], { stroke: DEFAULT, strokeWidth: 2 }),
        Plot.ruleY(data, { y: 'label', x1: 'low', x2: 'high', stroke: colour, strokeWidth: 3, strokeOpacity: 0.55 }),
        Plot.ruleY(held, { y: 'label', x1: 'low', x2: 'high', stroke: colour, strokeWidth: 1.5, dy: shift }),
        Plot.dot(data, { x: 'median', y: 'label', r: 5, fill: colour, stroke: 'var(--page)', title: 'kernelId' }),
        Plot.dot(held, { x: 'median', y: 'label', r: 3.5, fill: 'var(--page)', stroke: colour, strokeWidth: 1.5, dy: shift, title: () => 'held out' }),
        Plot.text(data, { y: 'label', frameAnchor: 'right', dx: 58, textAnchor: 'end', fill: 'currentColor', text: (d: { median: number }) => d.median.toFixed(3) }),
      ],
    }),
  );
}

/** The best so far against candidates (with every candidate as a dot) and against seconds. */
export function convergencePlots(name: string, points: readonly ConvergencePoint[], candidates: readonly CandidateDetail[]): readonly string[] {
  const tried = candidates.flatMap(({ ratio, state }, i) => (ratio === null || ratio > SLOWEST_SHOWN ? [] : [{ x: i + 1, ratio, state }]));
  const dots = thin(tried);
  const best = points.at(-1)?.best ?? 1;
  const top = Math.min(SLOWEST_SHOWN, Math.max(1.1, ...tried.map(({ ratio }) => ratio)));
  const y = { domain: [Math.min(best * 0.97, 0.97), top], label: '↑ time relative to the default', grid: true, labelArrow: 'none', labelAnchor: 'top' };
  const chart = (title: string, x: object, marks: Plot.Markish[]): string =>
    draw(`${name}: best time found so far against ${title}`, { width: 470, height: 250, marginLeft: 46, marginTop: 28, marginBottom: 38, marginRight: 16, x: { labelArrow: 'none', labelAnchor: 'right', ...x } as never, y: y as never, marks: [Plot.ruleY([1], { stroke: DEFAULT, strokeWidth: 1.5 }), ...marks] });
  const line = (x: 'tried' | 'seconds'): Plot.Markish[] => [
    Plot.line(points, { x, y: 'best', stroke: WINNER, strokeWidth: 2.5, curve: 'step-after' }),
    Plot.dot(points.slice(0, -1), { x, y: 'best', r: 3, fill: WINNER, stroke: 'var(--page)', title: (d: ConvergencePoint) => `${d.tried}: ${d.best.toFixed(3)}` }),
  ];
  return [
    chart('candidates tried', { label: 'candidates tried →', domain: [0, Math.max(2, candidates.length)] }, [Plot.dot(dots, { x: 'x', y: 'ratio', r: 2.2, fill: (d: { state: string }) => (d.state === 'ok' ? 'var(--other)' : FAINT), fillOpacity: 0.75 }), ...line('tried')]),
    chart('seconds spent', { label: 'seconds of compiling and measuring →', domain: [0, Math.max(0.1, points.at(-1)?.seconds ?? 1)] }, line('seconds')),
  ];
}

/** What each value of an axis went with: the middle half of the candidates, their median, and the best one. All axes of a problem share one scale. */
export function axisPlots(name: string, axes: readonly AxisEffect[], candidates: readonly CandidateDetail[]): readonly { readonly effect: AxisEffect; readonly svg: string }[] {
  const shown = axes.filter(({ values }) => values.length > 1);
  const least = Math.min(...shown.flatMap(({ values }) => values.map(({ best }) => best)), 0.97);
  const most = Math.min(SLOWEST_SHOWN, Math.max(1.05, ...shown.flatMap(({ values }) => values.map(({ highQuartile }) => highQuartile))) * 1.05);
  const measured = thin(candidates.filter(({ ratio, axes: own }) => ratio !== null && ratio <= most && own !== null), 200);
  return shown.map((effect) => {
    const values = effect.values.map((value) => ({ ...value, label: axisLabel(value.value), highQuartile: Math.min(most, value.highQuartile) }));
    const dots = measured.map(({ ratio, axes: own }) => ({ ratio, label: axisLabel(own?.[effect.axis] ?? 0) }));
    const svg = draw(`${name}: time relative to the default by value of ${effect.axis}`, {
      width: 300,
      height: 190,
      marginLeft: 40,
      marginTop: 12,
      marginBottom: 36,
      marginRight: 8,
      x: { type: 'band', domain: values.map(({ label }) => label), label: effect.axis, labelArrow: 'none', tickSize: 0 } as never,
      y: { domain: [least * 0.98, most], label: null, grid: true, ticks: 5 } as never,
      marks: [
        Plot.ruleY([1], { stroke: DEFAULT, strokeWidth: 1.5 }),
        Plot.dot(dots, { x: 'label', y: 'ratio', r: 1.8, fill: 'var(--other)', fillOpacity: 0.55, dx: 9 }),
        Plot.ruleX(values.filter(({ median }) => median <= most), { x: 'label', y1: 'lowQuartile', y2: 'highQuartile', stroke: 'var(--other)', strokeWidth: 7, strokeOpacity: 0.45 }),
        Plot.tickY(values.filter(({ median }) => median <= most), { x: 'label', y: 'median', stroke: 'currentColor', strokeWidth: 2, insetLeft: 0, insetRight: 0 } as never),
        Plot.dot(values.filter(({ best }) => best <= most), { x: 'label', y: 'best', r: 4, fill: (d: { isWinner: boolean }) => (d.isWinner ? WINNER : 'var(--page)'), stroke: WINNER, strokeWidth: 1.75, title: (d: { label: string; best: number; count: number }) => `${effect.axis} = ${d.label}: best ${d.best.toFixed(3)} of ${d.count}` }),
      ],
    });
    return { effect, svg };
  });
}

const axisLabel = (value: number): string => (value >= 1024 && value % 1024 === 0 ? `${value / 1024}K` : String(value));

/** At most so many, evenly over the list. */
function thin<T>(items: readonly T[], most = MOST_DOTS): readonly T[] {
  return items.length <= most ? items : items.filter((_, i) => Math.floor((i * most) / items.length) !== Math.floor(((i - 1) * most) / items.length));
}
