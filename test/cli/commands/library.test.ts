import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { winnersSchema } from '../../../runtime/library/schema.js';
import type { LibraryHealth } from '../../../tuning/library/doctor.js';
import type { ListedWinner } from '../../../tuning/library/list.js';
import type { MergeReport } from '../../../tuning/library/merge.js';
import { griffin, TINY } from '../griffin.js';

let folder: string;
let library: string;
/** Two shards of one small problem, tuned by processes of their own, as a fleet does. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'griffin-library-cli-'));
  library = join(folder, 'tuned');
  for (const shard of ['1/2', '2/2']) {
    const { code, stderr } = await griffin(['tune', '--model', TINY, '--families', 'linear_gemv', '--axes', 'rows=4 terms=0 unit=8,16', '--effort', 'quick', '--budget', '6s', '--shard', shard, '--library', library]);
    expect(stderr).toContain(`library: ${library}`);
    expect(code).toBe(0);
  }
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const json = async <T>(args: readonly string[]): Promise<T> => {
  const { code, stdout, stderr } = await griffin(['library', ...args, '--json']);
  expect(stderr).toBe('');
  expect([0, 1]).toContain(code);
  return JSON.parse(stdout) as T;
};

describe('griffin library', () => {
  it('lists winners, with the journals of the shards beside them', async () => {
    expect(readdirSync(library).filter((name) => name.endsWith('.jsonl')).sort()).toEqual(['journal.1-of-2.jsonl', 'journal.2-of-2.jsonl']);
    const { winners } = await json<{ winners: ListedWinner[] }>(['list', '--library', library]);
    expect(winners.length).toBeGreaterThan(0);
    expect(winners.every(({ entry, device }) => entry.family === 'linear_gemv' && entry.deviceKey === device)).toBe(true);
    const { stdout } = await griffin(['library', 'list', '--library', library]);
    for (const { entry, problem } of winners) {
      expect(stdout).toContain(entry.kernelId);
      expect(stdout).toContain(problem);
    }
  });

  it('shows where a winner comes from, and says when there is none of that name', async () => {
    const { stdout, code } = await griffin(['library', 'show', 'linear_gemv', '--library', library]);
    expect(code).toBe(0);
    for (const word of ['compiler', 'SHA-256', 'driver', 'regime', 'strategy forest']) expect(stdout).toContain(word);
    const none = await griffin(['library', 'show', 'nosuchkernel', '--library', library]);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain('nosuchkernel');
  });

  it('merges in any order to the same bytes', async () => {
    const winners = async (name: string, sources: readonly string[]): Promise<string> => {
      const target = join(folder, name);
      const report = await json<MergeReport>(['merge', ...sources, '--library', target]);
      expect(report.lines.bad).toBe(0);
      expect(report.undecided).toEqual([]);
      return readFileSync(join(target, 'winners.json'), 'utf8');
    };
    const journal = join(library, 'journal.2-of-2.jsonl');
    const once = await winners('a', [library]);
    expect(await winners('b', [journal, library])).toBe(once);
    expect(await winners('c', [library, join(folder, 'a'), journal])).toBe(once);
    winnersSchema.parse(JSON.parse(once));
  });

  it('examines every entry, and calls damage what it is', async () => {
    const health = await json<LibraryHealth>(['doctor', '--library', library]);
    expect(health.journal).toMatchObject({ files: 2, unreadable: 0, old: 0, quarantined: [], killed: [], torn: [] });
    // A machine that runs other tests meanwhile may have been disturbed; nothing else is wrong.
    expect(health.entries.filter(({ state }) => state !== 'ok' && state !== 'dirty')).toEqual([]);
    const damaged = join(folder, 'damaged');
    await json(['merge', library, '--library', damaged]);
    await rm(join(damaged, 'kernels'), { recursive: true });
    const { code, stdout } = await griffin(['library', 'doctor', '--library', damaged]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/BINARY/);
    expect(stdout).toContain('griffin tune');
  });

  it('exports what a runtime needs, and nothing else', async () => {
    const out = join(folder, 'given');
    const { code } = await griffin(['library', 'export', '--library', library, '--out', out, '--allow-dirty']);
    expect(code).toBe(0);
    expect(readdirSync(out).sort()).toEqual(['README.md', 'kernels', 'winners.json']);
    const used = await griffin(['generate', '--model', TINY, '--prompt-ids', '1,2,3', '--max-new-tokens', '2', '--library', out]);
    expect(used.code).toBe(0);
    expect(used.stderr).toMatch(/\d+ exact/);
    expect(used.stderr).toContain('griffin tune');
  });

  it('prunes candidates, but first says what it would do', async () => {
    const copy = join(folder, 'b');
    const candidates = join(library, 'candidates');
    const compiled = (): number => (existsSync(candidates) ? readdirSync(candidates).length : 0);
    const before = compiled();
    expect(before).toBeGreaterThan(0);
    await json(['prune', '--dry-run', '--library', library]);
    expect(compiled()).toBe(before);
    await json(['prune', '--library', library]);
    expect(compiled()).toBe(0);
    const winners = readFileSync(join(copy, 'winners.json'), 'utf8');
    await json(['prune', '--library', copy]);
    expect(readFileSync(join(copy, 'winners.json'), 'utf8')).toBe(winners);
  });
});
