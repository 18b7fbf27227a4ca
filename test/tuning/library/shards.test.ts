/** A fleet in small: four shards as processes in one directory, one killed and run again, merged; against one process that does it all. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseJournal } from '../../../tuning/journal/parse.js';
import { mergeLibraries } from '../../../tuning/library/merge.js';
import { MODES, toyFamily } from '../support/toy-family.js';
import { readStrictly, sha256, temporaryDirectory } from './support/library.js';

const SHARDS = 4;
const HANGS = `toy_scale__any__portable__mode${MODES.hangs}`;

function tuner(library: string, shard: string, limitMs: number): ChildProcess {
  const loader = new URL('../../../tuning/source-loader.mjs', import.meta.url).href;
  const script = fileURLToPath(new URL('./support/tune-toy.ts', import.meta.url));
  return spawn(process.execPath, ['--import', loader, script, library, shard, String(limitMs)], { stdio: ['ignore', 'ignore', 'inherit'] });
}

async function finished(child: ChildProcess): Promise<number | string | null> {
  const [code, signal] = (child.exitCode !== null || child.signalCode !== null ? [child.exitCode, child.signalCode] : await once(child, 'exit')) as [number | null, string | null];
  return signal ?? code;
}

function linesOf(path: string) {
  return existsSync(path) ? parseJournal(readFileSync(path, 'utf8')).lines : [];
}

/** What was found, without who found it and when. */
function findings(library: string) {
  const [section] = Object.values(readStrictly(library).devices);
  return (section?.entries ?? [])
    .map(({ kernelId, dims, params, isa, sourceHash, formHash, medianNs, defaultNs, ratio, dirty }) => ({ kernelId, dims, params, isa, sourceHash, formHash, medianNs, defaultNs, ratio, dirty }))
    .sort((a, b) => (a.dims['n'] ?? 0) - (b.dims['n'] ?? 0));
}

describe('shards', () => {
  it('as four processes, of which one is killed and run again, find what one process finds', async () => {
    using dir = temporaryDirectory();
    const fleet = join(dir.path, 'fleet');
    const journal = (index: number): string => join(fleet, `journal.${index + 1}-of-${SHARDS}.jsonl`);
    // A hanging candidate is given a minute: the shard that has it can only be killed while it waits for it.
    const children = Array.from({ length: SHARDS }, (_, index) => tuner(fleet, `${index}/${SHARDS}`, 60_000));
    const isHanging = (index: number): boolean => linesOf(journal(index)).some((line) => line.kind === 'started' && line.kernelId === HANGS);
    let victim = -1;
    while (victim < 0 && children.some((child) => child.exitCode === null && child.signalCode === null)) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      victim = children.findIndex((_, index) => isHanging(index));
    }
    expect(victim).toBeGreaterThanOrEqual(0);
    children[victim]?.kill('SIGKILL');
    expect(await Promise.all(children.map(finished))).toEqual(children.map((_, index) => (index === victim ? 'SIGKILL' : 0)));

    expect(await finished(tuner(fleet, `${victim}/${SHARDS}`, 1500))).toBe(0);
    const started = linesOf(journal(victim)).filter((line) => line.kind === 'started' && line.kernelId === HANGS && line.problem.includes('n='));
    // Quarantined: what killed the run is not tried again for the same problem.
    expect(new Set(started.map((line) => ('problem' in line ? line.problem : ''))).size).toBe(started.length);
    expect(readdirSync(fleet).filter((name) => name.endsWith('.jsonl')).sort()).toEqual(Array.from({ length: SHARDS }, (_, index) => `journal.${index + 1}-of-${SHARDS}.jsonl`));

    const alone = join(dir.path, 'alone');
    expect(await finished(tuner(alone, 'all', 1500))).toBe(0);

    const options = { families: [toyFamily], formHash: () => sha256(`source of toy_scale__any__portable__mode${MODES.good}`) };
    const merged = join(dir.path, 'merged');
    const report = await mergeLibraries([fleet], merged, options);
    expect(report.lines).toMatchObject({ bad: 0, old: 0 });
    expect(report.undecided).toEqual([]);
    expect(findings(alone)).toHaveLength(2);
    expect(findings(alone).every(({ kernelId }) => kernelId.endsWith(`mode${MODES.faster}`))).toBe(true);
    expect(findings(merged)).toEqual(findings(alone));

    // Every variant of every problem has been tried by one shard or another: the space was split, not sampled.
    const tried = (lines: ReturnType<typeof linesOf>): string[] => [...new Set(lines.flatMap((line) => (line.kind === 'outcome' ? [`${line.problem} ${line.kernelId}`] : [])))].filter((text) => !text.includes(HANGS)).sort();
    const shards = Array.from({ length: SHARDS }, (_, index) => tried(linesOf(journal(index))));
    expect([...new Set(shards.flat())].sort()).toEqual(tried(linesOf(join(alone, 'journal.jsonl'))));
    const isDefault = (text: string): boolean => text.endsWith(`mode${MODES.good}`);
    const owned = shards.flat().filter((text) => !isDefault(text));
    expect(new Set(owned).size).toBe(owned.length);
  }, 180_000);
});
