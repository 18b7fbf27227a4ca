/**
 * A device of plain JavaScript: buffers are byte arrays, and a kernel is its family's fp64 reference. Slow and simple: it shows whether plans
 * pass the right tensors and sizes, apart from any native code.
 */
import { readFileSync } from 'node:fs';

import { decodeTensor, encodeTensor, sizeOf } from '../../generator/families/common.js';
import { FAMILIES } from '../../generator/families/index.js';
import { requireFamily } from '../../generator/ids.js';
import type { Dims, Family, Params, TensorValues } from '../../generator/types.js';
import type { Device, DeviceBuffer, ElementType, Kernel, LoadOp, MappedFile, Plan, PlanRecorder, StepArgs } from '../../runtime/device/types.js';
import type { KernelSource } from '../../runtime/model/transformer.js';

class ReferenceBuffer implements DeviceBuffer {
  constructor(
    readonly label: string,
    readonly bytes: Uint8Array<ArrayBuffer>,
    private readonly release: () => void = () => undefined,
  ) {}

  get byteLength(): number {
    return this.bytes.byteLength;
  }

  view(byteOffset: number, byteLength: number): DeviceBuffer {
    if (byteOffset < 0 || byteOffset + byteLength > this.byteLength) throw new RangeError(`${this.label}: view outside`);
    return new ReferenceBuffer(this.label, this.bytes.subarray(byteOffset, byteOffset + byteLength));
  }

  write(source: ArrayBufferView, byteOffset = 0): void {
    this.bytes.set(new Uint8Array(source.buffer, source.byteOffset, source.byteLength), byteOffset);
  }

  read(byteOffset = 0, byteLength = this.byteLength - byteOffset): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(byteOffset, byteOffset + byteLength);
  }

  fill(byte: number): void {
    this.bytes.fill(byte);
  }

  checkCanaries(): { before: null; after: null } {
    return { before: null, after: null };
  }

  dispose(): void {
    this.release();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

interface ReferenceKernel extends Kernel {
  readonly family: Family;
  readonly params: Params;
}

/** Kernels by family and parameters: the oracles themselves. */
export const referenceKernels: KernelSource = {
  kernel(family, params): ReferenceKernel {
    return { id: `${family}__reference`, phases: 1, scratchBytes: 0, family: requireFamily(family, FAMILIES), params };
  },
  linearFamily: (_params, dims) => ((dims['rows'] ?? 1) <= 4 ? 'linear_gemv' : 'linear_gemm'),
};

/** Runs one step through the reference of its family. Inputs and outputs are cut to the tensor's shape. */
function execute(kernel: ReferenceKernel, args: StepArgs): void {
  const { family, params } = kernel;
  const ints = family.scalars.filter((scalar) => scalar.type === 'int');
  if (args.ints.length !== ints.length || args.buffers.length !== family.tensors.length) throw new RangeError(`${family.name}: wrong number of arguments`);
  const dims: Record<string, number> = {};
  ints.forEach((scalar, i) => {
    const value = args.ints[i]!;
    if (typeof value !== 'number' && scalar.dynamic !== true) throw new TypeError(`${family.name}: ${scalar.name} is not dynamic`);
    dims[scalar.name] = typeof value === 'number' ? value : new Int32Array((value.buffer as ReferenceBuffer).read().buffer)[value.index]!;
    const most = args.maxInts?.[i];
    if (most !== undefined && dims[scalar.name]! > most) throw new RangeError(`${args.label}: ${scalar.name} = ${dims[scalar.name]} exceeds the recorded maximum ${most}`);
  });
  const inputs: Record<string, TensorValues[string]> = {};
  family.tensors.forEach((tensor, i) => {
    const buffer = args.buffers[i] as ReferenceBuffer | null;
    if (buffer === null && tensor.optional !== true) throw new TypeError(`${family.name}: ${tensor.name} is missing`);
    const bytes = buffer === null ? null : window(family, params, dims, i, buffer);
    inputs[tensor.name] = bytes === null ? null : decodeTensor(bytes, tensor.dtype(params));
  });
  const outputs = family.reference({ family: family.name, params, dims }, inputs);
  family.tensors.forEach((tensor, i) => {
    const output = outputs[tensor.name];
    const buffer = args.buffers[i] as ReferenceBuffer | null;
    if (output !== undefined && buffer !== null) window(family, params, dims, i, buffer).set(encodeTensor(output.values, tensor.dtype(params)).subarray(0));
  });
}

function window(family: Family, params: Params, dims: Dims, index: number, buffer: ReferenceBuffer): Uint8Array {
  const tensor = family.tensors[index]!;
  const dtype = tensor.dtype(params);
  const length = sizeOf(tensor.shape(dims, params)) * (dtype === 'f32' || dtype === 'i32' ? 4 : 2);
  if (length > buffer.byteLength) throw new RangeError(`${family.name}: ${tensor.name} needs ${length} bytes, ${buffer.label} has ${buffer.byteLength}`);
  return buffer.bytes.subarray(0, length);
}

export function openReferenceDevice(): Device {
  let allocated = 0;
  const record = (): PlanRecorder => {
    const steps: { kernel: ReferenceKernel; args: StepArgs }[] = [];
    const plan: Plan = {
      get steps() {
        return steps.length;
      },
      run(times = 1, { read } = {}) {
        for (let i = 0; i < times; i++) for (const { kernel, args } of steps) execute(kernel, args);
        return Promise.resolve(read === undefined ? { elapsedNs: 0 } : { elapsedNs: 0, read: read.read() });
      },
      async profile() {
        await plan.run();
        return steps.map(({ kernel, args }) => ({ label: args.label ?? '', kernel: kernel.id, elapsedNs: 0 }));
      },
      dispose: () => undefined,
      [Symbol.dispose]: () => undefined,
    };
    return {
      step: (kernel, args) => void steps.push({ kernel: kernel as ReferenceKernel, args }),
      finish: () => plan,
    };
  };
  return {
    identity: { kind: 'reference', name: 'JavaScript', key: 'reference', isas: ['portable'], cores: 1, l1dBytes: 1, l2Bytes: 1, l3Bytes: 1, memoryBytes: 2 ** 40 },
    threads: 1,
    isa: 'portable',
    allocate(byteLength, { label }) {
      allocated += byteLength;
      let live = true;
      return new ReferenceBuffer(label, new Uint8Array(byteLength), () => {
        if (live) allocated -= byteLength;
        live = false;
      });
    },
    mapFile: (path) => mapFile(path),
    load(ops) {
      for (const op of ops) loadOne(op);
      return Promise.resolve();
    },
    fillRandom: () => Promise.reject(new Error('not needed by tests')),
    loadKernels: () => [],
    geometry: () => ({ units: [1], workspaceBytes: 0 }),
    record,
    clockNs: () => 0,
    allocatedBytes: () => allocated,
    dispose: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function mapFile(path: string): MappedFile {
  const bytes = new Uint8Array(readFileSync(path));
  return {
    path,
    byteLength: bytes.byteLength,
    read: (byteOffset, byteLength) => bytes.slice(byteOffset, byteOffset + byteLength),
    dispose: () => undefined,
    [Symbol.dispose]: () => undefined,
  };
}

function loadOne(op: LoadOp): void {
  const size = (type: ElementType): number => (type === 'f32' ? 4 : 2);
  const values = decodeTensor(op.source.read(op.sourceOffset, op.rows * op.cols * size(op.type)), op.type);
  const type = op.toF32 === true ? 'f32' : op.type;
  const target = (op.target as ReferenceBuffer).bytes;
  for (let row = 0; row < op.rows; row++) {
    for (let col = 0; col < op.cols; col++) {
      const at = op.transpose === true ? col * op.targetStride + row : row * op.targetStride + col;
      target.set(encodeTensor([values[row * op.cols + col]!], type), op.targetOffset + at * size(type));
    }
  }
}
