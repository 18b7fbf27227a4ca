import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { winnersSchema } from '../../../runtime/library/schema.js';
import { foldJournal } from '../../../tuning/journal/evidence.js';
import { readJournals } from '../../../tuning/journal/files.js';
import { seededRandom } from '../../../tuning/statistics.js';
import { resultKeyText } from '../../../tuning/types.js';
import { expectWholeBinary } from './binaries.js';

const FULL = process.env['GRIFFIN_TEST_FULL'] === '1';
const MOMENTS = FULL ? 200 : 10;
const AT_ONCE = 2;
const loader = fileURLToPath(new URL('../../../tuning/source-loader.mjs', import.meta.url));
const script = fileURLToPath(new URL('./tune-toy.ts', import.meta.url));

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'griffin-kill-'));
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
  readonly ms: number;
}

/** Runs the tuner; with `killAfterMs` it is killed without warning, unless it ended before. */
async function tuneToy(library: string, killAfterMs?: number): Promise<Run> {
  const from = performance.now();
  const child = spawn(process.execPath, ['--no-warnings', '--import', loader, script, library], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (data: Buffer) => (output += data.toString()));
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const closed = once(child, 'close') as Promise<[number | null]>;
  if (killAfterMs !== undefined) {
    await Promise.race([sleep(killAfterMs), closed]);
    child.kill('SIGKILL');
  }
  const [code] = await closed;
  return { code, output, errors, ms: performance.now() - from };
}

describe(`a tuner that is killed at ${MOMENTS} random moments${FULL ? '' : ' (GRIFFIN_TEST_FULL=1: 200)'}`, () => {
  it('completes on every rerun, loses at most one measurement each, and leaves no corrupt library', { timeout: 30_000 + MOMENTS * 20_000 }, async () => {
    const whole = await tuneToy(join(root, 'whole'));
    expect(whole.errors).toBe('');
    const { ms } = await tuneToy(join(root, 'again')); // the first run also filled caches
    const kernels = new Set(readJournals(join(root, 'whole')).lines.flatMap((line) => (line.kind === 'outcome' ? [`${line.problem} ${line.kernelId}`] : [])));
    const random = seededRandom(FULL ? 1 : 2);
    const moments = Array.from({ length: MOMENTS }, () => random());
    let interrupted = 0;

    const one = async (at: number, i: number): Promise<void> => {
      const library = join(root, String(i));
      const killed = await tuneToy(library, at * ms);
      if (killed.code === null) interrupted++;
      if (existsSync(join(library, 'winners.json'))) winnersSchema.parse(JSON.parse(readFileSync(join(library, 'winners.json'), 'utf8')));
      const before = existsSync(library) ? readJournals(library) : { lines: [], badLines: 0 };
      expect(before.badLines, `moment ${i}: lines cut`).toBeLessThanOrEqual(1);

      const rerun = await tuneToy(library);
      expect(rerun.errors, `moment ${i}`).toBe('');
      expect(rerun.code, `moment ${i}`).toBe(0);
      const { lines } = readJournals(library);
      const evidence = foldJournal(lines);
      const quarantined = evidence.quarantined().map(({ key }) => key.kernelId);
      expect(quarantined.length, `moment ${i}: ${quarantined.join(', ')}`).toBeLessThanOrEqual(1);
      // What was measured before the kill was not measured again, but for the one that was running.
      const begun = new Map<string, number>();
      for (const line of lines) if (line.kind === 'started') begun.set(resultKeyText(line), (begun.get(resultKeyText(line)) ?? 0) + 1);
      const again = [...begun.values()].reduce((sum, count) => sum + count - 1, 0);
      expect(again, `moment ${i}: measured again`).toBeLessThanOrEqual(1);
      // Everything has an outcome (a quarantined kernel is not tried on the other problem either), and the winner is the one that an undisturbed run finds, unless it was the one in quarantine.
      const known = new Set(evidence.candidates().map(({ key }) => `${key.problem} ${key.kernelId}`));
      expect([...kernels].filter((kernel) => !known.has(kernel) && !quarantined.some((id) => kernel.endsWith(` ${id}`))), `moment ${i}: never tried`).toEqual([]);
      if (quarantined.length === 0) expect(JSON.parse(rerun.output), `moment ${i}`).toEqual(JSON.parse(whole.output));
      const { devices } = winnersSchema.parse(JSON.parse(readFileSync(join(library, 'winners.json'), 'utf8')));
      for (const entry of devices['fake-1']?.entries ?? []) {
        expect(quarantined).not.toContain(entry.kernelId);
        expectWholeBinary(library, entry.binary);
      }
      expect(devices['fake-1']?.entries).toHaveLength(2);
      expect(readdirSync(library).filter((name) => /lock/.test(name)), `moment ${i}: a lock was left`).toEqual([]);
      rmSync(library, { recursive: true, force: true });
    };

    const queue = moments.entries();
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (const [i, at] of queue) await one(at, i);
      }),
    );
    expect(interrupted, 'runs that were really killed').toBeGreaterThanOrEqual(MOMENTS / 3);
  });
});
