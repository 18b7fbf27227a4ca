/** A device in plain JavaScript: memory is byte arrays with canaries, time is what a kernel says it takes. For the toy family. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { AllocateOptions, Device, DeviceBuffer, DeviceIdentity, GpuSensors, Kernel, PlanRecorder, StepArgs } from '../../../runtime/device/types.js';
import { firstWeight, MODES } from './toy-family.js';

const GUARD = 64;
const roundUp = (bytes: number): number => Math.ceil(bytes / 4) * 4;
const CANARY = 0xc5;

interface Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly offset: number;
}

class FakeBuffer implements DeviceBuffer {
  constructor(
    readonly label: string,
    readonly memory: Memory,
    readonly byteLength: number,
    private readonly guarded: boolean,
  ) {}
  /** The bytes as a kernel sees them: it may reach past the end, into the guard. */
  floats(): Float32Array {
    return new Float32Array(this.memory.bytes.buffer, this.memory.offset);
  }
  private window(): Uint8Array<ArrayBuffer> {
    return this.memory.bytes.subarray(this.memory.offset, this.memory.offset + this.byteLength);
  }
  view(byteOffset: number, byteLength: number): DeviceBuffer {
    if (byteOffset + byteLength > this.byteLength || byteOffset % 4 !== 0) throw new RangeError(`view ${byteOffset}+${byteLength} of ${this.byteLength}`);
    return new FakeBuffer(this.label, { bytes: this.memory.bytes, offset: this.memory.offset + byteOffset }, byteLength, false);
  }
  write(source: ArrayBufferView, byteOffset = 0): void {
    if (byteOffset + source.byteLength > this.byteLength) throw new RangeError('past the end');
    this.window().set(new Uint8Array(source.buffer, source.byteOffset, source.byteLength), byteOffset);
  }
  read(byteOffset = 0, byteLength = this.byteLength - byteOffset): Uint8Array<ArrayBuffer> {
    return this.window().slice(byteOffset, byteOffset + byteLength);
  }
  fill(byte: number): void {
    this.window().fill(byte);
  }
  checkCanaries(): { before: number | null; after: number | null } {
    if (!this.guarded) return { before: null, after: null };
    const { bytes, offset } = this.memory;
    const before = bytes.subarray(0, offset).findIndex((byte) => byte !== CANARY);
    const after = bytes.subarray(offset + this.byteLength).findIndex((byte) => byte !== CANARY);
    return { before: before < 0 ? null : before - offset, after: after < 0 ? null : this.byteLength + after };
  }
  dispose(): void {}
  [Symbol.dispose](): void {}
}

interface FakeKernel extends Kernel {
  readonly mode: number;
}

/** Nanoseconds of one launch, by mode. */
const LAUNCH_NS: Readonly<Record<number, number>> = { [MODES.good]: 1000, [MODES.goodAgain]: 1000, [MODES.faster]: 800, [MODES.hopelesslySlow]: 5000, [MODES.crashesWhenTimed]: 700 };

export interface FakeDeviceOptions {
  /** Multiplies the time of a run; asked before each run of a plan. */
  readonly slowdown?: (label: string) => number;
  /** Told before each run of a plan, with its steps' arguments. */
  readonly onRun?: (label: string, steps: readonly StepArgs[]) => void;
  readonly sensors?: () => GpuSensors;
  /** Real milliseconds that a run takes before its kernels do anything. Default none. */
  readonly delayMs?: number;
}

export function createFakeDevice(threads: number, options: FakeDeviceOptions = {}): Device {
  let clock = 0;
  const identity: DeviceIdentity = {
    kind: 'fake', name: 'Fake', key: 'fake-1', isas: ['portable'], cores: 2,
    l1dBytes: 1024, l2Bytes: 4096, l3Bytes: 16384, memoryBytes: 2 ** 30,
  };

  function launch(kernel: FakeKernel, args: StepArgs, timed: boolean): void {
    const [w, x, y] = args.buffers.map((buffer) => (buffer as FakeBuffer).floats()) as [Float32Array, Float32Array, Float32Array];
    const ints = args.ints.map((arg) => (typeof arg === 'number' ? arg : new Int32Array((arg.buffer as FakeBuffer).read().buffer)[arg.index]));
    const [rows = 0, n = 0] = ints as number[];
    for (let i = 0; i < rows * n; i++) y[i] = (w[i % n] ?? 0) * (x[i] ?? 0);
    switch (kernel.mode) {
      case MODES.wrongWhenRagged:
        if (n % 4 !== 0) y[rows * n - 1] = 77;
        break;
      case MODES.writesPastEnd:
        y[rows * n] = 1;
        break;
      case MODES.leavesUnwritten:
        new Uint32Array(y.buffer, y.byteOffset)[0] = 0xffffffff;
        break;
      case MODES.segfaults:
        process.kill(process.pid, 'SIGSEGV');
        break;
      case MODES.hangs:
        for (;;);
      case MODES.changesInput:
        x[0] = 5;
        break;
      case MODES.dependsOnThreads:
        if (threads > 1) y[0] = Math.fround((y[0] ?? 0) + 2e-8);
        break;
      case MODES.differsBetweenRuns:
        y[0] = Math.fround((y[0] ?? 0) + (launches++ % 2) * 2e-8);
        break;
      case MODES.wrongWithThirdSeed:
        if (n % 4 !== 0 && w[0] === firstWeight(3)) y[0] = 77;
        break;
      case MODES.crashesWhenTimed:
        if (timed && args.label !== undefined && finalRuns++ > 40) process.kill(process.pid, 'SIGSEGV');
        break;
    }
  }
  let finalRuns = 0;
  let launches = 0;

  function record(label: string): PlanRecorder {
    const steps: { kernel: FakeKernel; args: StepArgs }[] = [];
    return {
      step(kernel, args) {
        steps.push({ kernel: kernel as FakeKernel, args });
      },
      finish() {
        return {
          steps: steps.length,
          async run(times = 1) {
            await (options.delayMs === undefined ? Promise.resolve() : sleep(options.delayMs));
            options.onRun?.(label, steps.map(({ args }) => args));
            let elapsedNs = 0;
            for (let i = 0; i < times; i++) {
              for (const { kernel, args } of steps) {
                launch(kernel, args, label.startsWith('measure'));
                elapsedNs += LAUNCH_NS[kernel.mode] ?? 900;
              }
            }
            elapsedNs *= options.slowdown?.(label) ?? 1;
            clock += elapsedNs;
            return { elapsedNs };
          },
          profile: () => Promise.resolve([]),
          dispose() {},
          [Symbol.dispose]() {},
        };
      },
    };
  }

  return {
    identity,
    threads,
    isa: 'portable',
    allocate(byteLength: number, options: AllocateOptions): DeviceBuffer {
      const guard = options.guarded === true ? GUARD : 0;
      const bytes = new Uint8Array(roundUp(byteLength) + 2 * GUARD);
      bytes.fill(guard > 0 ? CANARY : 0).fill(0, GUARD, GUARD + byteLength);
      return new FakeBuffer(options.label, { bytes, offset: GUARD }, byteLength, guard > 0);
    },
    mapFile: () => {
      throw new Error('no files');
    },
    load: () => Promise.resolve(),
    fillRandom(buffer, _type, seed) {
      const bytes = new Float32Array(buffer.byteLength / 4).fill(0.25 + (seed % 7) / 8);
      buffer.write(bytes);
      return Promise.resolve();
    },
    loadKernels: (path, symbols) =>
      symbols.map((symbol) => {
        const mode = Number(/mode(\d+)$/.exec(symbol)?.[1]);
        if (path.includes('unloadable')) throw new Error(`${path}: not a shared object`);
        return { id: symbol.replace(/^gk_/, ''), phases: 1, scratchBytes: 0, mode } satisfies FakeKernel;
      }),
    ...(options.sensors === undefined ? {} : { sensors: options.sensors }),
    geometry: () => ({ units: [1], workspaceBytes: 0 }),
    record,
    clockNs: () => clock,
    allocatedBytes: () => 0,
    dispose: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
