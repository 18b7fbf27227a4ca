import { join } from 'node:path';
import { decodeTensor, encodeTensor } from '../../generator/families/common.js';
import { kernelId } from '../../generator/ids.js';
import { renderKernel } from '../../generator/render.js';
import { defaultVariant } from '../../generator/space.js';
import { CPU_ISAS, type Family, type Isa, type Params, type Problem, type TensorValues } from '../../generator/types.js';
import { openDevice } from '../../runtime/device/index.js';
import { packageRoot } from '../../runtime/paths.js';
import { compileKernels } from '../../tuning/compile.js';
import { launchGuarded } from '../../tuning/launch.js';

export interface LaunchableKernel {
  readonly isa: Isa;
  /** Outputs by tensor name for these contents. Throws when something outside the outputs was written. */
  run(problem: Problem, inputs: TensorValues): Promise<Readonly<Record<string, Float64Array | Int32Array>>>;
}

export interface KernelBench {
  readonly kernels: readonly LaunchableKernel[];
  dispose(): Promise<void>;
}

/** The default kernel of a form in every instruction set of this machine, for tests that choose the contents themselves. */
export async function openKernels(family: Family, params: Params = {}): Promise<KernelBench> {
  const device = openDevice('cpu', { threads: 2 });
  const kernels: LaunchableKernel[] = [];
  for (const isa of CPU_ISAS.filter((name) => device.identity.isas.includes(name))) {
    const variant = defaultVariant({ family: family.name, params, isa }, { family });
    const source = { id: kernelId(variant, family), text: renderKernel(variant, { family }) };
    const [result] = await compileKernels([source], { isa, directory: join(packageRoot(), 'build', 'test-kernels') });
    if (result?.ok !== true) throw new Error(result?.message ?? `${source.id} was not compiled`);
    const [kernel] = device.loadKernels(result.file, [result.symbol]);
    if (kernel === undefined) throw new Error(`${source.id} was not loaded`);
    kernels.push({
      isa,
      async run(problem, inputs) {
        const contents = family.tensors.map(({ name, dtype }) => {
          const values = inputs[name] ?? null;
          return values === null ? null : encodeTensor(values, dtype(params));
        });
        const present = family.tensors.map(({ role }, i) => role === 'output' || contents[i] !== null);
        const launched = await launchGuarded(device, kernel, family, { problem, inputs: contents, present }, { boundInts: false, inPlace: false });
        const damage = launched.outOfBounds ?? launched.changedInput;
        if (damage !== null) throw new Error(`${source.id}: ${damage}`);
        return Object.fromEntries(
          family.tensors.flatMap(({ name, dtype }) => {
            const bytes = launched.outputs.get(name);
            return bytes === undefined ? [] : [[name, decodeTensor(bytes, dtype(params))]];
          }),
        );
      },
    });
  }
  return { kernels, dispose: () => device.dispose() };
}
