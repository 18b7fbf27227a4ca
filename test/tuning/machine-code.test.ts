import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelId } from '../../generator/ids.js';
import { renderKernel } from '../../generator/render.js';
import { enumerate } from '../../generator/space.js';
import { compileKernels, compileUnit } from '../../tuning/compile.js';
import type { KernelSource } from '../../tuning/compile-pool.js';
import { findCompiler } from '../../tuning/compiler.js';
import { codeBytesOf, machineCodeOfCubin, machineCodeOfUnit, ownMachineCode } from '../../tuning/machine-code.js';
import { TINY, tinyTemplates } from '../generator/tiny.js';

const isa = 'portable';
let sources: readonly KernelSource[];
beforeAll(() => {
  const templateRoot = tinyTemplates();
  const variants = [...enumerate({ family: 'tiny_scale', params: { dtype: 'f32' }, isa }, { family: TINY })].slice(0, 3);
  sources = variants.map((variant) => ({ id: kernelId(variant, TINY), text: renderKernel(variant, { family: TINY, templateRoot }) }));
});

const directory = (): string => mkdtempSync(join(tmpdir(), 'griffin-machine-code-'));
const renamed = ({ id, text }: KernelSource, name: string): KernelSource => ({ id: name, text: text.replaceAll(id, name) });

/** Machine code and size of each kernel, compiled as one unit. */
async function codeOf(kernels: readonly KernelSource[]): Promise<readonly (readonly [machineCode: string, codeBytes: number])[]> {
  const results = await compileKernels(kernels, { isa, directory: directory(), jobs: 1 });
  return results.map((result) => {
    if (!result.ok || result.details?.codeBytes === undefined) throw new Error(result.ok ? 'no details' : result.message);
    return [result.details.machineCode, result.details.codeBytes] as const;
  });
}

/** A kernel that reads a table of constants, calls a function that is not inlined, and switches. */
function written(id: string, options: { third?: number; added?: number; phases?: number } = {}): KernelSource {
  const { third = 3, added = 1, phases = 1 } = options;
  const prelude = sources[0]!.text.slice(0, sources[0]!.text.indexOf('namespace gk_'));
  return {
    id,
    text: `${prelude}
namespace gk_${id}_ns {
static const float table[4] = {1.f, 2.f, ${third}.f, 4.f};
__attribute__((noinline)) static float helper(float x) { return x + ${added}.f; }
static uint64_t workspace(const gk_args*) { return 0; }
static int64_t units(const gk_args* args, uint32_t) { return args->ints[0]; }
static void run(const gk_args* args, uint32_t, int64_t begin, int64_t end, void*) {
  float* out = (float*)args->buffers[0];
  for (int64_t i = begin; i < end; i++) {
    float x = helper(out[i]);
    switch (args->ints[1]) {
      case 0: x *= 3.f; break;
      case 1: x = x / 7.f; break;
      case 2: x = x * x; break;
      case 3: x = x - 9.f; break;
      case 4: x = x * x * x; break;
      case 5: x += table[i & 3]; break;
    }
    out[i] = x;
  }
}
}
extern "C" {
extern __attribute__((visibility("default"))) const gk_kernel gk_${id};
const gk_kernel gk_${id} = {GK_ABI_VERSION, ${phases}, "${id}", 0, &gk_${id}_ns::workspace, &gk_${id}_ns::units, &gk_${id}_ns::run};
}
`,
  };
}

describe('machineCodeOfUnit', () => {
  it('is equal for equal code under other names, in one unit and in several', async () => {
    // The template of the first two does not use what they differ in; the third has other blocks.
    const [first, twin, other] = sources as [KernelSource, KernelSource, KernelSource];
    const [[one], [two]] = (await codeOf([first, other])) as [[string, number], [string, number]];
    expect(one).not.toBe(two);
    const alias = renamed(first, 'a_much_longer_name_of_the_same_kernel');
    const together = await codeOf([other, alias, twin, first]);
    expect(together.map(([code]) => code)).toEqual([two, one, one, one]);
    expect(new Set(together.slice(1).map(([, bytes]) => bytes)).size).toBe(1);
  }, 60_000);

  it('differs in constants, called functions and descriptors', async () => {
    const kernels = [written('a'), written('b'), written('c', { third: 5 }), written('d', { added: 2 }), written('e', { phases: 2 })];
    const [a, b, ...others] = (await codeOf(kernels)) as [[string, number], [string, number], ...[string, number][]];
    expect(b[0]).toBe(a[0]);
    expect(new Set([a, ...others].map(([code]) => code)).size).toBe(4);
    expect(a[1]).toBeGreaterThan(50);
  }, 60_000);

  it('leaves the object as it is when compiled in one step', async () => {
    const dir = directory();
    const [result] = await compileKernels(sources.slice(0, 2), { isa, directory: dir, jobs: 1 });
    if (result?.ok !== true) throw new Error(result?.message);
    const output = join(dir, 'one-step');
    expect(await compileUnit(sources.slice(0, 2), { compiler: await findCompiler(), isa, output })).toBeUndefined();
    expect(readFileSync(output).equals(readFileSync(result.file))).toBe(true);
    // The size without the assembly: the functions of the kernel's namespace.
    expect(await codeBytesOf(result.id, output)).toEqual({ codeBytes: result.details?.codeBytes });
    expect(await codeBytesOf('another', output)).toEqual({});
  }, 60_000);

  it('knows nothing of kernels that are not there', () => {
    expect(machineCodeOfUnit(['a'], '', new Uint8Array())).toEqual(new Map());
    expect(machineCodeOfCubin('a', new Uint8Array([1, 2, 3]))).toBeNull();
    expect(new Set([ownMachineCode('a', 'x'), ownMachineCode('b', 'x'), ownMachineCode('a', 'y')]).size).toBe(3);
  });
});
