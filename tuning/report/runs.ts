/** The runs that wrote the journals: when, how, and whether each came to its end. */
import type { Evidence } from '../journal/evidence.js';
import type { JournalLine } from '../journal/lines.js';
import type { RunSummary } from './types.js';

/** In order of their start. Runs whose first line is lost are left out: nothing is known of them. */
export function summarizeRuns(lines: readonly JournalLine[], { runs, ends }: Pick<Evidence, 'runs' | 'ends'>): readonly RunSummary[] {
  const seen = new Map<string, { lastAt: string; candidates: number; finals: Set<string> }>();
  for (const line of lines) {
    const found = seen.get(line.run) ?? { lastAt: line.at, candidates: 0, finals: new Set<string>() };
    seen.set(line.run, found);
    if (line.at > found.lastAt) found.lastAt = line.at;
    if (line.kind === 'outcome') found.candidates++;
    if (line.kind === 'final') found.finals.add(line.final);
  }
  return [...runs.values()]
    .map((line): RunSummary => {
      const work = seen.get(line.run);
      const end = ends.get(line.run);
      const { run, deviceKey, regime, at, strategy, effort, shard, seed, toolVersion, host } = line;
      return {
        run, deviceKey, regime, startedAt: at, lastAt: work?.lastAt ?? at, end: end?.reason ?? 'killed', dirty: end?.dirty ?? false,
        strategy, effort, shard: shard ?? null, seed, toolVersion, host, candidates: work?.candidates ?? 0, finals: work?.finals.size ?? 0,
      };
    })
    .sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
}
