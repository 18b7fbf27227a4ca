/** What a busy reader should take away, and what to do next. */
import { median } from '../statistics.js';
import { formatCount, formatShare, plural } from './format.js';
import { isFailed } from './outcomes.js';
import type { Advice, Headline, ProblemDetail, ReportData, SectionReport } from './types.js';

/** An interval of the speed-up wider than this share of it says little. */
const WIDE_INTERVAL = 0.05;
/** Less than this share of a space tried, and there may well be more to find. */
const LITTLE_TRIED = 0.02;
const MANY_VARIANTS = 200;

export function headlineOf(problems: readonly ProblemDetail[]): Headline {
  const winners = problems.flatMap(({ winner }) => winner ?? []);
  const speedUps = winners.map(({ speedUp }) => speedUp);
  const roofs = winners.flatMap(({ roofShare }) => roofShare ?? []);
  const candidates = problems.flatMap((problem) => problem.candidates);
  return {
    decided: winners.length,
    problems: problems.length,
    medianSpeedUp: speedUps.length === 0 ? null : median(speedUps),
    bestSpeedUp: speedUps.length === 0 ? null : Math.max(...speedUps),
    defaults: winners.filter(({ isDefault }) => isDefault).length,
    medianRoofShare: roofs.length === 0 ? null : median(roofs),
    candidates: candidates.length,
    failed: candidates.filter(({ state }) => isFailed(state)).length,
    compileSeconds: problems.reduce((sum, { compileSeconds }) => sum + compileSeconds, 0),
    evaluateSeconds: problems.reduce((sum, { evaluateSeconds }) => sum + evaluateSeconds, 0),
    dirty: winners.filter(({ dirty }) => dirty).length,
  };
}

export function adviceFor(section: SectionReport, data: Pick<ReportData, 'library' | 'journals' | 'runs' | 'badEntries'>): readonly Advice[] {
  const { headline, problems } = section;
  const library = quoted(data.library);
  const device = section.identity?.kind === 'emulated' ? 'emulated' : section.regime.startsWith('plan-') ? 'cpu' : section.regime.startsWith('eager-') ? 'cuda:0,eager' : 'cuda:0';
  const tune = `griffin tune --device ${device} --model DIR --library ${library}`;
  const advice: Advice[] = [];
  const add = (level: Advice['level'], text: string, command: string | null = null): void => void advice.push({ level, text, command });

  if (headline.dirty > 0) {
    add('warning', `${plural(headline.dirty, 'decision was', 'decisions were')} taken while the machine was disturbed: do not ship ${headline.dirty === 1 ? 'it' : 'them'}. Tune again when the machine is idle.`, tune);
  }
  const open = problems.filter(({ winner }) => winner === null);
  if (open.length > 0) add('warning', `${plural(open.length, 'problem has', 'problems have')} no decision yet: the default variant is used. Tuning resumes where it stopped.`, `${tune} --budget 10m`);
  const last = data.runs.filter(({ deviceKey, regime }) => deviceKey === section.deviceKey && regime === section.regime).at(-1);
  if (last !== undefined && last.end !== 'done') add('warning', `The last run was ${last.end}: what it measured is kept. Running it again goes on from there.`, tune);
  if (headline.defaults > 0 && headline.defaults === headline.decided) add('hint', 'No variant beats the default anywhere: either the default fits this machine, or the search was too short.', `${tune} --effort exhaustive`);
  const wide = problems.filter(({ winner }) => winner !== null && winner.speedUpLow !== null && winner.speedUpHigh !== null && (winner.speedUpHigh - winner.speedUpLow) / winner.speedUp > WIDE_INTERVAL);
  if (wide.length > 0) add('hint', `The speed-up of ${plural(wide.length, 'problem')} is known to no better than ${formatShare(WIDE_INTERVAL)}: more samples on an idle machine would tell.`, tune);
  const thin = problems.filter(({ spaceSize, candidates }) => spaceSize !== null && spaceSize > MANY_VARIANTS && candidates.length < spaceSize * LITTLE_TRIED);
  if (thin.length > 0) {
    const tried = thin.reduce((sum, { candidates }) => sum + candidates.length, 0);
    const size = thin.reduce((sum, { spaceSize }) => sum + (spaceSize ?? 0), 0);
    add('hint', `${plural(thin.length, 'problem')} with large spaces: ${formatCount(tried)} of ${formatCount(size)} variants were tried. If the best was still falling at the end, a larger budget pays.`, `${tune} --budget 1h`);
  }
  const { wrong, crashed } = section.outcomes;
  const unsafe = section.outcomes['out-of-bounds'];
  if (wrong + unsafe > 0) add('hint', `${plural(wrong + unsafe, 'candidate was', 'candidates were')} refused for wrong results or writes out of bounds. They cannot win; if they are of this project's own families, please report them.`, `griffin verify --device ${device}`);
  if (crashed > 0) add('hint', `${plural(crashed, 'candidate')} crashed ${crashed === 1 ? 'its' : 'their'} process and ${crashed === 1 ? 'is' : 'are'} not tried again.`);
  const bad = data.journals.reduce((sum, { badLines }) => sum + badLines, 0);
  if (bad > 0) add('hint', `${plural(bad, 'journal line')} could not be read and ${bad === 1 ? 'was' : 'were'} skipped; what was lost is measured again when it is needed.`, `griffin library doctor --library ${library}`);
  if (data.badEntries.length > 0) add('warning', `${plural(data.badEntries.length, 'library entry', 'library entries')} could not be read: ${data.badEntries[0] ?? ''}`, `griffin library doctor --library ${library}`);
  if (!advice.some(({ level }) => level === 'warning')) add('good', 'Every problem has a decision from a calm machine. The library can be used as it is, or shipped.', `griffin library export --library ${library} --out DIR`);
  const rank = { warning: 0, good: 1, hint: 2 } as const;
  return advice.sort((a, b) => rank[a.level] - rank[b.level]);
}

const quoted = (path: string): string => (/^[\w./~+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`);
