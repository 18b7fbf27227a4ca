import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { benchKernels, benchModel, resolveBenchOptions, type BenchOptions } from '../../../runtime/bench/run.js';
import { syntheticConfig } from '../../../runtime/checkpoint/synthetic.js';
import { openDevice } from '../../../runtime/device/index.js';
import { openLibrary } from '../../../runtime/library/library.js';
import { loadModel } from '../../../runtime/model/load.js';
import { packageRoot } from '../../../runtime/paths.js';

const TINY = join(packageRoot(), 'test/fixtures/llama-tiny');
/** Small buffers: these tests look at the object, not at the speed. */
const SMALL: BenchOptions = { rounds: 2, prefillRounds: 1, roofBytes: 2 ** 20, coldBytes: 2 ** 18 };
const NO_LIBRARY = join(packageRoot(), 'build', 'no-such-library');

describe('benchModel', async () => {
  const model = await loadModel(TINY, { threads: 2, library: NO_LIBRARY });
  afterAll(() => model.dispose());
  const result = await benchModel(model, 'checkpoint', { ...SMALL, densities: [1, 0.5, 0], promptTokens: 20, newTokens: 4, prefillChunk: 16 });

  it('measures every density in every way, the full model once', () => {
    expect(result.decode.map(({ density, strategy, keptNeurons }) => [density, strategy, keptNeurons])).toEqual([
      [1, 'dense', 176],
      [0.5, 'gather', 88],
      [0.5, 'compact', 88],
      [0, 'gather', 0],
    ]);
  });

  it('states figures that agree with each other', () => {
    expect(result.settings).toEqual({ promptTokens: 20, newTokens: 4, rounds: 2, meanContext: 22.5 });
    for (const entry of result.decode) {
      expect(entry.msPerToken.samples).toBe(2);
      expect(entry.msPerToken.median).toBeGreaterThan(0);
      expect(entry.tokensPerSecond * entry.msPerToken.median).toBeCloseTo(1000, 6);
      expect((entry.bytesPerSecond * entry.msPerToken.median) / 1000 / entry.bytesPerToken).toBeCloseTo(1, 6);
      expect(entry.shareOfReadRoof).toBeGreaterThan(0);
      expect(entry.wallOverDevice).toBeGreaterThan(0);
      expect(entry.speedup === null).toBe(entry.strategy === 'dense');
      expect(entry.idealSpeedup).toBeGreaterThanOrEqual(1);
    }
    const [dense, gather, compact, none] = result.decode;
    expect(dense!.bytesPerToken).toBeGreaterThan(gather!.bytesPerToken);
    expect(gather!.bytesPerToken).toBe(compact!.bytesPerToken);
    expect(none!.idealSpeedup).toBeGreaterThan(gather!.idealSpeedup);
    expect(gather!.gatherOverCompact?.median).toBeGreaterThan(0);
    expect(compact!.gatherOverCompact).toBeNull();
  });

  it('accounts for every operation of a token and of a chunk', () => {
    for (const profile of result.profiles) {
      expect(profile.steps.reduce((sum, step) => sum + step.shareOfToken, 0)).toBeCloseTo(1, 6);
      const operations = profile.steps.map(({ operation }) => operation);
      expect(operations).toEqual(expect.arrayContaining(['embed', 'qkv', 'rope', 'attention', 'o', 'gate_up', 'down', 'lm_head', 'sample']));
      expect(profile.steps.find(({ operation }) => operation === 'gate_up')?.callsPerToken).toBe(3);
    }
    expect(result.prefill?.steps.map(({ operation }) => operation)).toEqual(expect.arrayContaining(['ff_in', 'activation', 'statistic', 'ff_out']));
    expect(result.prefill?.statisticShare).toBeGreaterThan(0);
  });

  it('lists each kernel with its origin', () => {
    expect(result.kernels.length).toBeGreaterThan(10);
    expect(new Set(result.kernels.map(({ origin }) => origin))).toEqual(new Set(['default']));
    expect(result.library).toBeNull();
  });

  it('says that a model this small sits in the cache', () => expect(result.notes.join(' ')).toMatch(/last-level cache/));

  it('leaves the model able to generate the same tokens as before', async () => {
    const before = await model.generateText([3, 5, 8], { maxNewTokens: 6, ignoreEos: true });
    await benchModel(model, 'checkpoint', { ...SMALL, rounds: 1, promptTokens: 5, newTokens: 2 });
    expect((await model.generateText([3, 5, 8], { maxNewTokens: 6, ignoreEos: true })).tokenIds).toEqual(before.tokenIds);
  });
});

describe('benchKernels', () => {
  it('measures gate/up and down, dense, gathered and compacted', async () => {
    await using device = openDevice('cpu', { threads: 1 });
    const config = syntheticConfig(TINY);
    const subject = { modelName: 'tiny', kind: 'random' as const, device, library: openLibrary(device, { directory: NO_LIBRARY }) };
    const result = await benchKernels(subject, config, { ...SMALL, densities: [1, 0.5] });
    expect(result.ffKernels.map(({ operation, variant, k }) => `${operation} ${variant} ${k}`)).toEqual([
      'gate_up dense 176',
      'gate_up gather 88',
      'gate_up compact 88',
      'down dense 176',
      'down gather 88',
      'down compact 88',
    ]);
    for (const entry of result.ffKernels) {
      expect(entry.us.median).toBeGreaterThan(0);
      expect(entry.overCompact === null).toBe(entry.variant !== 'gather');
    }
    // F32 weights of 88 records: two rows of 64 for gate and up, and a list of 88 indices.
    expect(result.ffKernels[1]?.bytes).toBe(88 * 2 * 64 * 4 + 88 * 4);
    expect(device.allocatedBytes()).toBe(0);
  });
});

describe('resolveBenchOptions', () => {
  const config = syntheticConfig('tinyllama-1.1b');
  it.each<[string, BenchOptions, RegExp]>([
    ['a density above 1', { densities: [1.5] }, /density 1.5/],
    ['no density', { densities: [] }, /no density/],
    ['a density twice', { densities: [1, 0.5, 0.5] }, /twice/],
    ['no rounds', { rounds: 0 }, /rounds is 0/],
    ['more than the positions', { promptTokens: 2040, newTokens: 8 }, /2048 positions/],
  ])('refuses %s', (_name, options, message) => expect(() => resolveBenchOptions(config, options)).toThrow(message));
});
