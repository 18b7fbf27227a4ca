import type { ComparisonReport, Reached, SpaceComparison, StrategyResult } from './compare.js';

/** A comparison as Markdown: a table per space, then the curves as numbers. */
export function formatComparison(report: ComparisonReport): string {
  const head = [
    '# Search strategies on replayed journals',
    '',
    `Medians over ${report.seeds} seeds. An evaluation is one candidate compiled, verified and measured with the usual samples; repetitions count by their samples. *Within 3 %* is the first moment at which the variant that the`,
    'strategy ranks first is, by all stored samples, at most 3 % slower than the best of the space. *Score* is the distance to random search as a share of the distance from random search to the best, averaged over simulated time.',
    '',
  ];
  return [...head, ...report.spaces.flatMap(spaceLines)].join('\n');
}

function spaceLines(space: SpaceComparison): readonly string[] {
  return [
    `## ${space.problem}`,
    '',
    `${space.variants} variants on ${space.deviceKey}, ${space.regime}. The best takes ${space.best.toFixed(3)} of the default's time; ${space.near3} variants are within 3 % of it, ${space.near1} within 1 %.`,
    '',
    '| strategy | within 3 % after | share of the space | seconds | within 1 % after | × fewer than random | runs that came within 3 % | score |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...space.results.map(
      (result) =>
        `| ${result.strategy} | ${count(result.within3)} | ${percent(result.within3.share)} | ${number(result.within3.seconds, 0)} | ${count(result.within1)} | ${result.speedUp === null ? '–' : result.speedUp.toFixed(1)} | ${percent(result.within3.runs)} | ${result.score.toFixed(2)} |`,
    ),
    '',
    'Time of the variant ranked first over the best\'s: median (quartiles), by share of the space evaluated:',
    '',
    `| strategy | ${(space.results[0]?.curve ?? []).map(({ share }) => `${100 * share} %`).join(' | ')} |`,
    `| --- |${(space.results[0]?.curve ?? []).map(() => ' ---: |').join('')}`,
    ...space.results.map((result) => `| ${result.strategy} | ${result.curve.map(({ relative }) => band(relative)).join(' | ')} |`),
    '',
    'The same by simulated seconds:',
    '',
    `| strategy | ${(space.results[0]?.timeCurve ?? []).map(({ seconds }) => `${seconds.toFixed(0)} s`).join(' | ')} |`,
    `| --- |${(space.results[0]?.timeCurve ?? []).map(() => ' ---: |').join('')}`,
    ...space.results.map((result) => `| ${result.strategy} | ${result.timeCurve.map(({ relative }) => band(relative)).join(' | ')} |`),
    '',
  ];
}

const count = (reached: Reached): string => number(reached.evaluations, 0);
const number = (value: number, digits: number): string => (Number.isFinite(value) ? value.toFixed(digits) : 'not reached');
const percent = (share: number): string => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : '–');
const band = (relative: StrategyResult['curve'][number]['relative']): string =>
  relative === null ? '–' : `${relative.median.toFixed(3)} (${relative.low.toFixed(3)}–${relative.high.toFixed(3)})`;
