import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kernelId } from '../../generator/ids.js';
import { enumerate } from '../../generator/space.js';
import { requireFamily } from '../../generator/ids.js';
import { AbortedError, FileError, TuneError } from '../../runtime/errors.js';
import { createKernelBuilder, type BuiltKernel, type VariantOfFamily } from '../../tuning/kernel-builder.js';
import { cpuCompiler, type KernelCompiler } from '../../tuning/kernel-compilers.js';
import { createQuietGate } from '../../tuning/quiet.js';
import { temporaryDirectories } from '../support/temp-dir.js';

const temporary = temporaryDirectories('kernel-builder');
const family = requireFamily('linear_gemv');
const variants: VariantOfFamily[] = [];
for (const variant of enumerate({ family: 'linear_gemv', params: { dtype: 'f32' }, isa: 'portable' }, { family })) {
  variants.push({ variant, family });
  if (variants.length === 12) break;
}
const ids = variants.map(({ variant }) => kernelId(variant, family));

/** Answers at once, or as `answer` does. */
function fakeCompiler(answer: (id: string) => Promise<void> = () => Promise.resolve()): KernelCompiler & { readonly batches: (readonly string[])[] } {
  const batches: (readonly string[])[] = [];
  return {
    version: 'fake 1',
    backgroundJobs: 1,
    batches,
    prebuilt: () => null,
    async compile(sources, _isa, { onResult, signal }) {
      batches.push(sources.map(({ id }) => id));
      for (const { id, text } of sources) {
        expect(text).toContain(id);
        await answer(id);
        if (signal?.aborted === true) throw new AbortedError('stopped');
        onResult({ ok: true, id, file: `/${id}.so`, machineCode: 'code', resources: { codeBytes: 1 }, compileMs: 2 });
      }
    },
  };
}
const okay = (kernel: BuiltKernel | undefined): Extract<BuiltKernel, { ok: true }> => {
  if (kernel?.ok !== true) throw new Error(kernel?.message ?? 'not built');
  return kernel;
};

describe('createKernelBuilder', () => {
  it('compiles in the background what is enqueued, each kernel once', async () => {
    const compiler = fakeCompiler();
    const builder = await createKernelBuilder('/nowhere', compiler);
    builder.enqueue(variants.slice(0, 5));
    builder.enqueue(variants.slice(3, 6));
    const first = okay(await builder.whenBuilt(ids[0]!));
    expect(first).toEqual({ ok: true, binary: { kernelId: ids[0], path: `/${ids[0]}.so` }, machineCode: 'code', resources: { codeBytes: 1 }, compileMs: 2 });
    await builder.idle();
    expect(compiler.batches.flat()).toEqual(ids.slice(0, 6));
    expect([builder.builtCount(), builder.isBuilt(ids[5]!), builder.isBuilt(ids[6]!)]).toEqual([6, true, false]);
    let fresh = 0;
    const built = await builder.build(variants.slice(4, 8), undefined, () => fresh++);
    expect(fresh).toBe(2);
    expect([...built.keys()]).toEqual(ids.slice(0, 8));
    expect(await builder.whenBuilt(ids[7]!)).toBe(built.get(ids[7]!));
    await expect(builder.whenBuilt(ids[9]!)).rejects.toBeInstanceOf(TuneError);
  });

  it('lets what is waited for go before the queue', async () => {
    const compiler = fakeCompiler();
    const builder = await createKernelBuilder('/nowhere', compiler, { jobs: 1 });
    builder.enqueue(variants.slice(0, 6));
    await builder.build(variants.slice(5, 8));
    expect(compiler.batches.slice(0, 2)).toEqual([ids.slice(0, 2), ids.slice(5, 8)]);
    await builder.idle();
    expect(builder.builtCount()).toBe(8);
  });

  it('tells who asks about failures that are not the kernels’, and nobody else', async () => {
    let broken = true;
    const compiler = fakeCompiler(() => (broken ? Promise.reject(new FileError('no space left')) : Promise.resolve()));
    const builder = await createKernelBuilder('/nowhere', compiler);
    builder.enqueue(variants.slice(0, 4));
    await builder.idle();
    await expect(builder.whenBuilt(ids[3]!)).rejects.toThrow('no space left');
    await expect(builder.build(variants.slice(0, 1))).rejects.toBeInstanceOf(FileError);
    broken = false;
    expect((await builder.build(variants.slice(0, 1))).size).toBe(1);
  });

  it('stops for a signal, with all that is queued', async () => {
    const abort = new AbortController();
    const builder = await createKernelBuilder(
      '/nowhere',
      fakeCompiler(() => new Promise((resolve) => abort.signal.addEventListener('abort', () => resolve()))),
    );
    builder.enqueue(variants.slice(0, 4));
    const last = builder.whenBuilt(ids[3]!);
    const building = builder.build(variants.slice(0, 1), abort.signal);
    abort.abort();
    await expect(building).rejects.toBeInstanceOf(AbortedError);
    await expect(last).rejects.toBeInstanceOf(AbortedError);
    await expect(builder.build(variants, AbortSignal.abort())).rejects.toBeInstanceOf(AbortedError);
    await builder.stop();
    expect(builder.cancelQueued()).toEqual([]);
  });

  it('does not compile in a quiet section', async () => {
    const gate = createQuietGate();
    const compiler = fakeCompiler();
    const builder = await createKernelBuilder('/nowhere', compiler, { gate });
    gate.pause();
    builder.enqueue(variants.slice(0, 2));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(compiler.batches).toEqual([]);
    expect(builder.cancelQueued()).toEqual([]); // it has been taken from the queue
    gate.resume();
    await builder.idle();
    expect(builder.builtCount()).toBe(2);
  });

  it('finds kernels of earlier runs with what was known of them, through the real compiler', async () => {
    const directory = join(temporary(), 'candidates');
    const compiler = { ...(await cpuCompiler()), prebuilt: () => null };
    const pair = variants.slice(0, 2);
    const built = await (await createKernelBuilder(directory, compiler, { jobs: 1 })).build(pair); // in one unit
    const [a, b] = ids.slice(0, 2).map((id) => okay(built.get(id)));
    expect(a?.machineCode).toMatch(/^[0-9a-f]{64}$/);
    expect(a?.machineCode).not.toBe(b?.machineCode);
    expect(a?.resources.codeBytes).toBeGreaterThan(200);
    expect(a?.compileMs).toBeGreaterThan(0);
    const details = a!.binary.path.replace(/so$/, 'json');
    expect(existsSync(details)).toBe(true);
    const again = await createKernelBuilder(directory, compiler);
    expect(okay((await again.build(pair)).get(ids[0]!))).toEqual(a);
    // What is found without its details, as earlier versions left it, is compiled again.
    const before = readFileSync(a!.binary.path);
    writeFileSync(details, '{}');
    const third = okay((await (await createKernelBuilder(directory, compiler)).build(variants.slice(0, 1))).get(ids[0]!));
    expect(JSON.parse(readFileSync(details, 'utf8'))).toMatchObject({ kernel: ids[0], machineCode: third.machineCode });
    expect(readFileSync(a!.binary.path).equals(before)).toBe(false); // alone in its unit now
  }, 60_000);
});
