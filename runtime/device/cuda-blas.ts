import { LibraryError } from '../errors.js';
import { callNative, type NativeHandle } from './addon.js';
import { checkInteger } from './check.js';
import { CudaKernel, geometryOf, type LaunchGeometry } from './cuda-kernel.js';
import { cudaBuffer, type CudaHost, launchNumbers } from './cuda-plan.js';
import { VENDOR_ISA } from './types.js';
import type { IntArg, StepArgs, UtilityResolver, VendorKernel } from './types.js';

/**
 * NVIDIA's cuBLASLt as one more kernel of `linear_gemm`, where the library is found. Which of its algorithms runs is the library's choice, made when a
 * step is recorded; the sizes are those of the recording (dynamic rows count with the most they can be).
 */

/** Names under which the library is looked for: `$GRIFFIN_CUBLASLT`, else what the dynamic linker finds. */
export function blasLibraries(): readonly string[] {
  const named = process.env['GRIFFIN_CUBLASLT'];
  return named ? [named] : ['libcublasLt.so.13', 'libcublasLt.so.12'];
}

/** The library on one device. */
export interface CudaBlas {
  readonly handle: NativeHandle;
  /** `12.8.4`. */
  readonly version: string;
  readonly path: string;
}

/** Loads and starts the library; null where there is none for this device. Throws DeviceError when it does not start. */
export function openBlas(host: CudaHost): CudaBlas | null {
  const found = callNative((addon) => addon.gpuOpenBlas(host.native(), blasLibraries()));
  if (found === null) return null;
  const [handle, version, path] = found;
  return { handle, version: versionText(version), path };
}

/** The library counts 10000 · major + 100 · minor + patch. */
const versionText = (version: number): string => `${Math.floor(version / 10000)}.${Math.floor((version % 10000) / 100)}.${version % 100}`;

/** A product by the library. The arguments of its steps are those of `linear_gemm`. */
export class CudaBlasKernel implements VendorKernel {
  readonly phases = 1;
  readonly scratchBytes = 0;
  readonly version: string;
  readonly id: string;

  constructor(
    readonly blas: CudaBlas,
    /** The device that it is for. */
    readonly device: () => NativeHandle,
    private readonly dtype: 'f32' | 'bf16',
    private readonly layout: 'outin' | 'inout',
    /** Of `split_bf16`; null for f32 weights, which need none. */
    private readonly split: CudaKernel | null,
  ) {
    this.version = blas.version;
    this.id = `linear_gemm__${dtype}_${layout}__${VENDOR_ISA}__base`;
  }

  /** Work units and bytes, apart from the workspace that the library's algorithm asks for. */
  geometry(args: StepArgs): { readonly units: readonly number[]; readonly workspaceBytes: number } {
    const [rows, width] = this.#sizes(args);
    return { units: [1], workspaceBytes: this.split === null ? 0 : 6 * rows * width };
  }

  /** Appends the product to a native plan that is being recorded. Throws RangeError (sizes, buffers), DeviceError, or LibraryError where the library has no algorithm. */
  addTo(host: CudaHost, plan: NativeHandle, args: StepArgs): void {
    const what = args.label === undefined ? this.id : `${args.label} (${this.id})`;
    const sizes = this.#sizes(args);
    const tensors = args.buffers.map((buffer, i) => (buffer === null ? null : cudaBuffer(host, buffer, `${what}: buffer ${i}`)));
    const launches = this.split === null ? [] : launchNumbers(this.#splitGeometry(this.split, sizes[0] * sizes[1], host));
    callNative((addon) =>
      addon.gpuAddProduct(plan, this.blas.handle, args.label ?? '', this.id, sizes, this.dtype === 'bf16', this.layout === 'outin', tensors, this.split?.native ?? null, launches),
    );
  }

  #splitGeometry(split: CudaKernel, cells: number, host: CudaHost): LaunchGeometry {
    return geometryOf(split.description, [cells], host.multiprocessors);
  }

  /** rows (the most there can be), in, out. */
  #sizes(args: StepArgs): readonly [number, number, number] {
    const what = args.label === undefined ? this.id : `${args.label} (${this.id})`;
    const count = (found: number, expected: number, of: string): void => {
      if (found !== expected) throw new RangeError(`${what}: takes ${expected} ${of}, found ${found}`);
    };
    count(args.buffers.length, 5, 'tensors');
    count(args.ints.length, 3, 'ints');
    count(args.floats.length, 0, 'floats');
    const size = (i: number, name: string): number => checkInteger(largestOf(args.ints[i]!, args.maxInts?.[i]), `${what}: int ${i} (${name})`, 1, 2 ** 31 - 1);
    return [size(0, 'rows'), size(1, 'in'), size(2, 'out')];
  }
}

/** As stated, else the value, else what is in device memory now. */
function largestOf(value: IntArg, stated: number | undefined): number {
  if (stated !== undefined) return stated;
  return typeof value === 'number' ? value : (new Int32Array(value.buffer.read(4 * value.index, 4).buffer)[0] as number);
}

/** The library's kernel for a family at its parameters; null where it has none, or where the kernel that it needs beside it is missing. */
export function blasKernel(host: CudaHost, blas: CudaBlas, family: string, params: Readonly<Record<string, string>>, utilities: UtilityResolver | undefined): CudaBlasKernel | null {
  const { dtype, layout } = params;
  if (family !== 'linear_gemm' || (dtype !== 'f32' && dtype !== 'bf16') || (layout !== 'outin' && layout !== 'inout')) return null;
  if (dtype === 'f32') return new CudaBlasKernel(blas, host.native, dtype, layout, null);
  const split = utilities?.('split_bf16', {});
  if (!(split instanceof CudaKernel)) return null;
  if (split.description.ints.join() !== 'n' || split.description.tensors !== 4) throw new LibraryError(`${split.id} is not a kernel of split_bf16 as this build knows it`);
  return new CudaBlasKernel(blas, host.native, dtype, layout, split);
}
