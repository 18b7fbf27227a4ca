import type * as FileSystem from 'node:fs';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ModelConfig } from '../../../runtime/checkpoint/types.js';
import { FileError } from '../../../runtime/errors.js';
import { winnersSchema } from '../../../runtime/library/schema.js';
import { readJournals } from '../../../tuning/journal/files.js';
import { tune, type TuneOptions } from '../../../tuning/tune.js';
import { createToyBuilder } from '../support/toy-builder.js';
import { MODES, toyFamily, toyProblem } from '../support/toy-family.js';

/** Writes that the disk still takes, or null for a disk with room. */
const disk = vi.hoisted(() => ({ writesLeft: null as number | null, code: 'ENOSPC' }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof FileSystem>();
  return {
    ...fs,
    writeSync: (...args: Parameters<typeof fs.writeSync>) => {
      if (disk.writesLeft !== null && disk.writesLeft-- <= 0) throw Object.assign(new Error(`${disk.code}: write`), { code: disk.code });
      return fs.writeSync(...args);
    },
  };
});

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'griffin-disk-'));
});
afterEach(() => {
  disk.writesLeft = null;
  rmSync(directory, { recursive: true, force: true });
});

const options = (library: string): TuneOptions => ({
  config: {} as ModelConfig, // the toy problems do not come from a model
  effort: 'exhaustive',
  library,
  parts: {
    families: [{ ...toyFamily, cpu: { ...toyFamily.cpu, axes: [{ name: 'mode', values: [MODES.good, MODES.faster, MODES.wrongWhenRagged], doc: 'how it behaves' }] } }],
    environmentUrl: new URL('../support/toy-environment.ts', import.meta.url).href,
    createBuilder: (at) => Promise.resolve(createToyBuilder(join(at, 'candidates'))),
    problems: () => [{ problem: toyProblem, label: 'toy', callsPerToken: 1, callsPerChunk: 0 }],
    candidateLimitMs: 5000,
  },
});

describe('a tuner whose disk', () => {
  it.each([['is full', 'ENOSPC', /no space left|disk is full/i], ['turns read-only', 'EROFS', /read-only/i]])(
    '%s says so, keeps what was measured, and goes on from there',
    { timeout: 30_000 },
    async (_what, code, says) => {
      disk.code = code;
      disk.writesLeft = 4;
      const failure: unknown = await tune(options(directory)).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(FileError);
      expect(String((failure as Error).message)).toMatch(says);
      expect(String((failure as Error).message)).toContain(directory);
      disk.writesLeft = null;

      const before = readJournals(directory);
      expect(before.badLines).toBe(0);
      const kept = before.lines.filter(({ kind }) => kind === 'outcome').length;
      expect(kept).toBeGreaterThan(0);
      const report = await tune(options(directory));
      expect(report.problems[0]?.winner).toBe(`toy_scale__any__portable__mode${MODES.faster}`);
      // This process lives on, so that nothing is taken for killed; and nothing that was kept is measured again.
      expect(report.quarantined).toBe(0);
      const outcomes = readJournals(directory).lines.flatMap((line) => (line.kind === 'outcome' ? [line.kernelId] : []));
      expect(new Set(outcomes).size).toBe(outcomes.length);
      winnersSchema.parse(JSON.parse(readFileSync(join(directory, 'winners.json'), 'utf8')));
    },
  );

  it('does not take a library at all is told before any time is spent', async () => {
    await expect(tune(options('/proc/griffin'))).rejects.toThrow(FileError);
    await expect(tune(options('/proc/griffin'))).rejects.toThrow(/\/proc\/griffin/);
  });
});
