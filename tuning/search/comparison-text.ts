import type { ComparisonReport, Figures, SpaceComparison } from './compare.js';

type Relative = Figures['curve'][number]['relative'];

/** A comparison as Markdown: for each space a table of what was reached and when, then the curves as numbers; without noise, then with it. */
export function formatComparison(report: ComparisonReport): string {
  const head = [
    '# Search strategies on replayed journals',
    '',
    `Medians over ${report.seeds} seeds. An evaluation is one candidate compiled, verified and measured with the usual samples; repetitions count by their samples.`,
    '*Within 3 %* is the first moment at which the variant that the strategy ranks first is, by all stored samples, at most 3 % slower than the best of the space.',
    '*Without noise* an evaluation finds that truth at once; *with noise* it meets the samples of one earlier evaluation, as a tuner on that machine did.',
    'The score is the distance to random search as a share of the distance from random search to the best, averaged over simulated time: 0 is random search that measures without noise, 1 is the best at once.',
    '',
  ];
  return [...head, ...report.spaces.flatMap(spaceLines)].join('\n');
}

function spaceLines(space: SpaceComparison): readonly string[] {
  const part = (title: string, of: 'withoutNoise' | 'withNoise'): string[] => [
    `### ${title}`,
    '',
    '| strategy | within 3 % after | share of the space | seconds | within 1 % after | × fewer than random | × fewer than random without the default | runs that came within 3 % | score |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...space.results.map((result) => `| ${result.strategy} | ${row(result[of], space.blind.within3)} |`),
    '',
    'Time of the variant ranked first, over that of the best: median (quartiles), by share of the space evaluated,',
    '',
    ...curve(space, of, 'curve', (space.results[0]?.[of].curve ?? []).map(({ share }) => `${100 * share} %`)),
    '',
    'and by simulated seconds:',
    '',
    ...curve(space, of, 'timeCurve', (space.results[0]?.[of].timeCurve ?? []).map(({ seconds }) => `${seconds.toFixed(0)} s`)),
    '',
  ];
  return [
    `## ${space.problem}`,
    '',
    `${space.variants} variants on ${space.deviceKey}, ${space.regime}. The best takes ${space.best.toFixed(3)} of the default's time; ${space.near3} variants are within 3 % of it, ${space.near1} within 1 %. Random search that does not begin with the default needs ${space.blind.within3} evaluations to come within 3 %, and ${space.blind.within1} within 1 % (median, computed).`,
    '',
    ...part('Without noise', 'withoutNoise'),
    ...part('With noise', 'withNoise'),
  ];
}

function row({ within3, within1, speedUp, score }: Figures, blind: number): string {
  const share = Number.isFinite(within3.share) ? percent(within3.share) : '–';
  return [count(within3.evaluations), share, count(within3.seconds), count(within1.evaluations), speedUp === null ? '–' : speedUp.toFixed(1), Number.isFinite(within3.evaluations) ? (blind / within3.evaluations).toFixed(1) : '–', percent(within3.runs), score.toFixed(2)].join(' | ');
}

function curve(space: SpaceComparison, of: 'withoutNoise' | 'withNoise', which: 'curve' | 'timeCurve', columns: readonly string[]): string[] {
  return [
    `| strategy | ${columns.join(' | ')} |`,
    `| --- |${columns.map(() => ' ---: |').join('')}`,
    ...space.results.map((result) => `| ${result.strategy} | ${result[of][which].map(({ relative }) => band(relative)).join(' | ')} |`),
  ];
}

const count = (value: number): string => (Number.isFinite(value) ? value.toFixed(0) : 'not reached');
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const band = (relative: Relative): string => (relative === null ? '–' : `${relative.median.toFixed(3)} (${relative.low.toFixed(3)}–${relative.high.toFixed(3)})`);
