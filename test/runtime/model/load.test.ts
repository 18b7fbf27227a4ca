import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { AbortedError, CheckpointError, FileError, LibraryError, UsageError } from '../../../runtime/errors.js';
import { loadModel } from '../../../runtime/model/load.js';
import { defaultKernelDirectory, findForm, findObject, readKernelIndex, readManifest } from '../../../runtime/library/manifest.js';
import { winnersPath } from '../../../runtime/library/winners.js';
import { packageRoot } from '../../../runtime/paths.js';
import { llamaTensorShapes } from '../../support/write-checkpoint.js';
import { entry, temporaryDirectory, winners } from '../library/support.js';

const TINY = join(packageRoot(), 'test', 'fixtures', 'llama-tiny');
/** No tuned kernels: what this machine's user tuned must not matter here. */
const library = join(packageRoot(), 'test', 'fixtures', 'no-library');

describe('loadModel', () => {
  it('loads and generates, with the parts that a caller can see', async () => {
    await using model = await loadModel(TINY, { threads: 1, device: 'cpu:portable', library });
    expect(model.device).toMatchObject({ isa: 'portable', threads: 1, kind: 'cpu' });
    expect(model.tokenizer).toBeNull();
    expect(model.config.intermediateSize).toBe(176);
    expect(model.loadMs).toBeGreaterThan(0);
    const result = await model.generateText([1, 2, 3], { maxNewTokens: 2, ignoreEos: true });
    expect(result).toMatchObject({ model: TINY, device: 'cpu:portable', text: '', finishReason: 'length' });
  });

  it('reports progress up to all bytes', async () => {
    const seen: { bytesDone: number; bytesTotal: number }[] = [];
    await using model = await loadModel(TINY, { threads: 1, library, onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)!.bytesDone).toBe(seen.at(-1)!.bytesTotal);
    expect(seen.at(-1)!.bytesTotal).toBe(model.weightBytes);
  });

  it('says what is wrong', async () => {
    await expect(loadModel(join(TINY, 'nowhere'))).rejects.toThrow(FileError);
    await expect(loadModel('')).rejects.toThrow('an empty path');
    await expect(loadModel(TINY, { device: 'cpu:mmx' })).rejects.toThrow(UsageError);
    await expect(loadModel(TINY, { device: 'abacus' })).rejects.toThrow(/abacus/);
    await expect(loadModel(TINY, { threads: 0 })).rejects.toThrow(/threads/);
    await expect(loadModel(TINY, { thread: 2 } as never)).rejects.toThrow('Misspelled loadModel option "thread" should be "threads"');
    await expect(loadModel(TINY, { signal: AbortSignal.abort() })).rejects.toThrow(AbortedError);
    await expect(loadModel(join(packageRoot(), 'test', 'fixtures', 'opt-tiny'))).rejects.toThrow(CheckpointError);
  });

  it('stops between layers when aborted', async () => {
    const controller = new AbortController();
    await expect(loadModel(TINY, { library, signal: controller.signal, onProgress: () => controller.abort() })).rejects.toThrow(AbortedError);
  });

  it('refuses a corrupt library by name, and only warns of another machine\'s', async () => {
    using dir = temporaryDirectory();
    writeFileSync(winnersPath(dir.path), '{');
    await expect(loadModel(TINY, { library: dir.path })).rejects.toThrow(LibraryError);
    writeFileSync(winnersPath(dir.path), winners([], { key: 'cpu-of-someone-else' }));
    const warnings: string[] = [];
    await using model = await loadModel(TINY, { library: dir.path, onWarning: (message) => warnings.push(message) });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('cpu-of-someone-else');
    expect(model.library.warnings).toEqual(warnings);
  });
});

describe('a tuned library', () => {
  it('is used: its binaries are loaded and answer for their sizes', async () => {
    using dir = temporaryDirectory();
    const isa = 'portable';
    const params = { dtype: 'f32' };
    const form = findForm(readManifest(), 'linear_gemv', params, [isa]);
    const object = findObject(readKernelIndex(), isa, form.kernel)!;
    // A winner that happens to be the default kernel, from a file of its own.
    mkdirSync(join(dir.path, 'kernels'));
    copyFileSync(join(defaultKernelDirectory(), object.file), join(dir.path, 'kernels', 'winner.so'));
    const winner = entry({
      params, isa, kernelId: form.kernel, formHash: form.sha256, binary: { file: 'winner.so', sha256: object.sha256 }, dims: { rows: 1, in: 64, out: 320 },
    });
    const options = { device: `cpu:${isa}`, threads: 1, library: dir.path } as const;
    const generate = { maxNewTokens: 4, ignoreEos: true, dumpLogits: true } as const;
    await using plain = await loadModel(TINY, options);
    const expected = await plain.generateText([5, 6, 7], generate);

    writeFileSync(winnersPath(dir.path), winners([{ ...winner, deviceKey: plain.device.key }], { key: plain.device.key }));
    await using tuned = await loadModel(TINY, options);
    expect(await tuned.generateText([5, 6, 7], generate)).toMatchObject({ tokenIds: expected.tokenIds, logits: expected.logits! });
    const answers = tuned.library.resolutions().filter(({ problem }) => problem.family === 'linear_gemv');
    expect(answers.filter(({ how }) => how === 'exact').map(({ problem }) => problem.dims)).toEqual([{ rows: 1, in: 64, out: 320 }]);
    expect(answers.filter(({ how }) => how === 'nearest').length).toBeGreaterThan(0);
    expect(tuned.library.warnings).toEqual([]);
  });
});

/** A checkpoint of about 200 MB without drawing 100 million numbers: one block of small BF16 values, over and over. */
function writeLargeCheckpoint(dir: string): void {
  const config = {
    architectures: ['LlamaForCausalLM'], model_type: 'llama', hidden_size: 1024, intermediate_size: 4096, num_hidden_layers: 6, num_attention_heads: 16,
    num_key_value_heads: 8, hidden_act: 'silu', max_position_embeddings: 512, rms_norm_eps: 1e-5, vocab_size: 4096, tie_word_embeddings: true, torch_dtype: 'bfloat16',
  };
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  const header: Record<string, unknown> = {};
  let bytes = 0;
  for (const [name, shape] of llamaTensorShapes(config)) {
    const end = bytes + shape.reduce((a, b) => a * b, 1) * 2;
    header[name] = { dtype: 'BF16', shape, data_offsets: [bytes, end] };
    bytes = end;
  }
  const text = Buffer.from(JSON.stringify(header));
  const file = openSync(join(dir, 'model.safetensors'), 'w');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeSync(file, length);
  writeSync(file, text);
  // Signs and fractions from a multiplicative generator; exponents around 2^-6.
  const block = new Uint16Array(2 ** 20);
  let state = 1;
  for (let i = 0; i < block.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    block[i] = ((state >>> 16) & 0x80ff) | 0x3c00;
  }
  for (let at = 0; at < bytes; at += block.byteLength) writeSync(file, new Uint8Array(block.buffer, 0, Math.min(block.byteLength, bytes - at)));
  closeSync(file);
}

describe('resident memory', () => {
  it('stays within 1.15 times weights and KV cache, and is given back', () => {
    using dir = temporaryDirectory();
    writeLargeCheckpoint(dir.path);
    const register = join(packageRoot(), 'test', 'runtime', 'native', 'ts-register.mjs');
    const child = spawnSync(process.execPath, ['--import', register, join(import.meta.dirname, 'residency-child.ts'), dir.path, TINY], {
      encoding: 'utf8',
      env: { ...process.env, GRIFFIN_KERNELS_HOME: library },
    });
    expect(child.stderr).toBe('');
    const figures = JSON.parse(child.stdout) as { loaded: number; peak: number; weightBytes: number; kvBytes: number; tokens: number; after: number };
    expect(figures.tokens).toBe(16);
    expect(figures.weightBytes).toBeGreaterThan(190e6);
    const limit = 1.15 * (figures.weightBytes + figures.kvBytes);
    expect(figures.loaded).toBeLessThan(limit);
    expect(figures.peak).toBeLessThan(limit);
    expect(figures.after).toBeLessThan(0.15 * figures.weightBytes);
  }, 240_000);
});
