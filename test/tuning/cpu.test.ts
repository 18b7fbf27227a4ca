/** The tuner on the real CPU device: real kernels at tiny sizes, and planted native kernels that misbehave. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kernelId } from '../../generator/ids.js';
import { renderKernel } from '../../generator/render.js';
import { defaultVariant } from '../../generator/space.js';
import type { Problem } from '../../generator/types.js';
import { flockStatistic } from '../../generator/families/flock_statistic.js';
import type { ModelConfig } from '../../runtime/checkpoint/types.js';
import { openDevice } from '../../runtime/device/index.js';
import { openLibrary } from '../../runtime/library/library.js';
import { compileKernels } from '../../tuning/compile.js';
import { tune } from '../../tuning/tune.js';
import { DEVICE_ENVIRONMENT_URL } from '../../tuning/device-environment.js';
import { createWorker, type TuningWorker } from '../../tuning/worker-client.js';
import type { KernelBinary } from '../../tuning/types.js';

const form = { family: 'flock_statistic', params: {}, isa: 'portable' } as const;
const problem: Problem = { family: 'flock_statistic', params: {}, dims: { rows: 5, intermediate: 300 } };
const standard = defaultVariant(form, { family: flockStatistic });
const id = kernelId(standard);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'griffin-tune-cpu-'));
});
afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

describe('planted native kernels', () => {
  let worker: TuningWorker | undefined;
  const binaries = new Map<string, KernelBinary>();
  const RUN = /(static void abi_run\([^)]*\) \{)/;

  beforeAll(async () => {
    const source = renderKernel(standard);
    expect(source).toMatch(RUN);
    const plant = (code: string): string => source.replace(RUN, `$1\n${code}\n`);
    const planted: Record<string, string> = {
      good: source,
      segfault: plant('  *reinterpret_cast<volatile int*>(8) = 1;'),
      hang: plant('  for (volatile int stay = 1; stay == 1;) {}'),
      pastEnd: plant('  static_cast<float*>(args->buffers[2])[args->ints[1]] = 1.0f;'),
      changesInput: plant('  const_cast<float*>(static_cast<const float*>(args->buffers[0]))[0] = 7.0f;'),
      // The last bit of one number, in every other run.
      differs: plant('  static int runs = 0;\n  if (args->buffers[2] != nullptr) static_cast<float*>(args->buffers[2])[0] *= runs++ % 2 == 0 ? 1.0f : 1.0000002f;'),
    };
    for (const [name, text] of Object.entries(planted)) {
      const [result] = await compileKernels([{ id, text }], { isa: 'portable', directory: join(directory, 'planted') });
      if (result?.ok !== true) throw new Error(`${name}: ${result?.message ?? 'no result'}`);
      binaries.set(name, { kernelId: id, path: result.file });
    }
    worker = createWorker({ environmentUrl: DEVICE_ENVIRONMENT_URL, device: { device: 'cpu:portable', threads: 2 } });
  });
  afterAll(async () => {
    await worker?.close();
  });

  const running = (): TuningWorker => worker as TuningWorker;
  const evaluate = async (name: string) => {
    const { prepare, evaluate: run } = running();
    await prepare(problem, 1);
    const request = { problem, candidate: binaries.get(name) as KernelBinary, standard: binaries.get('good') as KernelBinary, formVerified: false, verified: false, bestRatio: null, samples: 5, control: null, seed: 1 };
    return (await run(request, 3000)).outcome;
  };

  it('each end in their own state, and the worker goes on', async () => {
    expect(await evaluate('good')).toMatchObject({ state: 'ok' });
    expect(await evaluate('segfault')).toMatchObject({ state: 'crashed', message: expect.stringContaining('SIGSEGV') as string });
    expect(await evaluate('hang')).toMatchObject({ state: 'timed-out' });
    expect(await evaluate('pastEnd')).toMatchObject({ state: 'out-of-bounds' });
    expect(await evaluate('changesInput')).toMatchObject({ state: 'wrong', message: expect.stringContaining('input h was changed') as string });
    expect(await evaluate('differs')).toMatchObject({ state: 'wrong', message: expect.stringContaining('differs between two equal runs') as string });
    expect(await evaluate('good')).toMatchObject({ state: 'ok' });
  });

  it('names the kernel that was running when a final died', async () => {
    const kernels = [binaries.get('good') as KernelBinary, binaries.get('segfault') as KernelBinary];
    expect(await running().final({ problem, kernels, control: null, rounds: 3, seed: 1, launch: 'replay' }, 3000)).toMatchObject({ state: 'crashed', kernelId: id });
  });
});

describe('tune on the cpu', () => {
  it('writes a library from which the runtime takes the exact winner', async () => {
    const library = join(directory, 'library');
    let ticks = 0; // budgets are logic here: a loaded machine gives the same answer
    const report = await tune({
      device: 'cpu:portable',
      threads: 1,
      config: {} as ModelConfig,
      budgetMs: 4000,
      library,
      parts: { clock: { now: () => ticks++ }, problems: () => [{ problem, label: 'statistic', callsPerToken: 1, callsPerChunk: 0 }] },
    });
    expect(report.warnings).toEqual([]); // generated/ is up to date
    expect(report.failures).toEqual([]);
    expect(report.problems[0]?.winner).toMatch(/^flock_statistic__any__portable__tile/);
    expect(report.problems[0]?.tried).toBe(report.problems[0]?.spaceSize);
    expect(report.roof?.readBytesPerNs).toBeGreaterThan(0.1);
    await using device = openDevice('cpu:portable', { threads: 1 });
    const resolved = openLibrary(device, { directory: library }).resolve({ family: 'flock_statistic', params: {}, dims: { rows: 5, intermediate: 300 } });
    expect(resolved).toMatchObject({ how: 'exact', id: report.problems[0]?.winner });
    expect(readFileSync(join(library, 'report.md'), 'utf8')).toContain('| statistic |');
  });
});
