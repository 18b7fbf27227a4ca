import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { paramSets } from '../../generator/forms.js';
import { kernelId } from '../../generator/ids.js';
import { renderKernel } from '../../generator/render.js';
import { defaultVariant, sample } from '../../generator/space.js';
import { isCpuIsa } from '../../generator/targets.js';
import { CPU_ISAS, type CpuIsa, type Family, type Params, type Problem, type Variant } from '../../generator/types.js';
import { openDevice } from '../../runtime/device/index.js';
import type { Device, Kernel } from '../../runtime/device/types.js';
import { packageRoot } from '../../runtime/paths.js';
import { createCaseStore, type CaseStore } from '../../tuning/cases.js';
import { compareOutput } from '../../tuning/compare.js';
import { compileKernels } from '../../tuning/compile.js';
import { launchGuarded, type LaunchStyle } from '../../tuning/launch.js';
import { stepArgs } from '../../tuning/launch-args.js';
import { seededRandom } from './random.js';

/**
 * Runs rendered kernels against their family's fp64 reference: at 1, 2 and 3 threads, every buffer between canaries, outputs poisoned,
 * inputs compared afterwards, results bit-identical for any number of threads, and the launch geometry as the family says.
 */

const THREADS = [1, 2, 3];
/** Immediates and separate buffers; then as plans launch: ints from device memory and the residual in place. */
const ROUNDS: readonly { readonly seed: number; readonly style: LaunchStyle }[] = [
  { seed: 11, style: { boundInts: false, inPlace: false } },
  { seed: 12, style: { boundInts: true, inPlace: true } },
];

export interface KernelChecks {
  /** The instruction sets of this machine. */
  readonly isas: readonly CpuIsa[];
  /** What is wrong with these variants on these problems (of the same parameters): nothing, if all is well. */
  check(variants: readonly Variant[], problems: (params: Params) => readonly Problem[]): Promise<readonly string[]>;
}

/** Opens the devices; they are disposed after the tests of the file. */
export function kernelChecks(family: Family): KernelChecks {
  const devices = THREADS.map((threads) => openDevice('cpu', { threads }));
  afterAll(async () => {
    for (const device of devices) await device.dispose();
  });
  const store = createCaseStore();
  const known = new Set(devices[0]?.identity.isas);
  return {
    isas: CPU_ISAS.filter((isa) => known.has(isa)),
    async check(variants, problems) {
      const wrong: string[] = [];
      for (const isa of CPU_ISAS) {
        const some = variants.filter((variant) => variant.isa === isa);
        if (some.length === 0) continue;
        // Files are named by content: a second run compiles what changed.
        const sources = some.map((variant) => ({ id: kernelId(variant, family), text: renderKernel(variant, { family }) }));
        const results = await compileKernels(sources, { isa, directory: join(packageRoot(), 'build', 'test-kernels') });
        for (const [i, result] of results.entries()) {
          const variant = some[i];
          if (variant === undefined) continue;
          if (!result.ok) {
            wrong.push(`${result.id}: ${result.message}`);
            continue;
          }
          const loaded = devices.map((device) => ({ device, kernel: device.loadKernels(result.file, [result.symbol])[0] }));
          for (const problem of problems(variant.params)) {
            const message = await checkOne(family, variant, problem, loaded, store);
            if (message !== null) wrong.push(`${result.id} ${JSON.stringify(problem.dims)}: ${message}`);
          }
        }
      }
      return wrong;
    },
  };
}

interface Loaded {
  readonly device: Device;
  readonly kernel: Kernel | undefined;
}

async function checkOne(family: Family, variant: Variant, problem: Problem, loaded: readonly Loaded[], store: CaseStore): Promise<string | null> {
  for (const { seed, style } of ROUNDS) {
    const one = store.get(family, problem, seed);
    let first: ReadonlyMap<string, Uint8Array> | undefined;
    for (const { device, kernel } of loaded) {
      if (kernel === undefined) return 'the kernel did not load';
      const result = await launchGuarded(device, kernel, family, one, style);
      const where = `seed ${seed}, ${device.threads} threads: `;
      if (result.outOfBounds !== null) return where + result.outOfBounds;
      if (result.changedInput !== null) return where + result.changedInput;
      for (const tensor of family.tensors) {
        const bytes = result.outputs.get(tensor.name);
        const expected = one.expected[tensor.name];
        if (bytes === undefined) continue;
        if (expected === undefined) return `the reference has no ${tensor.name}`;
        const difference = compareOutput(tensor.name, bytes, tensor.dtype(problem.params), expected);
        if (difference !== null) return where + difference;
        const before = first?.get(tensor.name);
        if (before !== undefined && Buffer.compare(before, bytes) !== 0) return `${where}${tensor.name} differs from 1 thread`;
      }
      first ??= result.outputs;
    }
  }
  const { device, kernel } = loaded[0] ?? {};
  if (device === undefined || kernel === undefined) return 'no device';
  return geometryDifference(family, variant, problem, device, kernel);
}

function geometryDifference(family: Family, variant: Variant, problem: Problem, device: Device, kernel: Kernel): string | null {
  if (!isCpuIsa(variant.isa)) return `${variant.isa} is not an instruction set of a CPU`;
  const said = family.cpu.launch(problem, { isa: variant.isa, axes: variant.axes });
  const buffers = family.tensors.map(() => null);
  const found = device.geometry(kernel, stepArgs(family, problem, buffers));
  const expected = { units: said.phases.map((phase) => phase.units), workspaceBytes: said.workspaceBytes, scratchBytes: said.scratchBytes };
  const actual = { units: [...found.units], workspaceBytes: found.workspaceBytes, scratchBytes: kernel.scratchBytes };
  return JSON.stringify(expected) === JSON.stringify(actual) ? null : `the family says ${JSON.stringify(expected)}, the kernel ${JSON.stringify(actual)}`;
}

export interface KernelTestOptions {
  /** Random valid variants per instruction set, beside the defaults. Default 4; 0 for families without axes worth sampling. */
  readonly samples?: number;
  /** How many of the ragged problems the random variants get, evenly spread. Default 5. */
  readonly sampleProblems?: number;
}

/** The tests that every family has: default kernels of all forms on all ragged problems, random variants on some. */
export function describeKernels(family: Family, { samples = 4, sampleProblems = 5 }: KernelTestOptions = {}): void {
  describe(`${family.name} kernels`, () => {
    const checks = kernelChecks(family);
    const sets = paramSets(family);
    for (const isa of checks.isas) {
      it(`${isa}: defaults equal the reference on ragged shapes`, async () => {
        const variants = sets.map((params) => defaultVariant({ family: family.name, params, isa }, { family }));
        expect(await checks.check(variants, family.raggedProblems)).toEqual([]);
      });
      if (samples === 0) continue;
      it(`${isa}: random variants equal the reference`, async () => {
        const random = seededRandom(CPU_ISAS.indexOf(isa) + 1);
        const variants = Array.from({ length: samples }, (_, i) => {
          const params = sets[i % sets.length] ?? {};
          return sample({ family: family.name, params, isa }, 1, random, { family });
        }).flat();
        const distinct = [...new Map(variants.map((variant) => [kernelId(variant, family), variant])).values()];
        expect(await checks.check(distinct, (params) => spread(family.raggedProblems(params), sampleProblems))).toEqual([]);
      });
    }
  });
}

/** `count` of the items at equal distances, first and last included. */
function spread<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return items.filter((_, i) => Math.floor((i * count) / items.length) !== Math.floor(((i - 1) * count) / items.length));
}
