/** What the machine can do at best, measured with the device's own threads: reading memory, and multiplying in registers. */
import { probeFma, probeRead } from '../../generated/launchers.js';
import type { Device } from '../device/types.js';
import type { KernelSource } from '../model/transformer.js';
import { lastLevelCacheBytes, probeSizes, workersOf } from './machine.js';
import type { RoofResult } from './result.js';
import { measureInterleaved, type Measurement, type RoundTask } from './rounds.js';

/** Numbers that one work unit of `probe_read` sums, as the family defines it. */
export const READ_SPAN = 65536;
/** Multiply-adds of one iteration of a work unit of `probe_fma`, as the family defines it. */
export const FMA_WORK = 3072;

/** The buffer must be far larger than the last-level cache, or its reads would not come from memory. */
const CACHE_FACTOR = 8;
const READ_PASSES = 2;

/** A roof as a task of interleaved rounds. */
export interface Roof extends RoundTask, Disposable {
  /** Bytes, or floating-point operations, of one run. */
  readonly work: number;
  readonly how: string;
}

async function fillReadBuffer(device: Device, bytes: number) {
  const source = device.allocate(bytes, { label: 'read roof' });
  // Untouched pages would all be the one page of zeros.
  await device.fillRandom(source, 'f32', 3, 1);
  return source;
}

/** Bytes that the read roof goes through: 8 × the last-level cache, at least 512 MiB, at most an eighth of the memory. */
export function readRoofBytes(device: Device): number {
  const { leastReadBytes } = probeSizes(device);
  if (device.identity.kind === 'emulated') return leastReadBytes;
  return Math.min(Math.max(leastReadBytes, CACHE_FACTOR * lastLevelCacheBytes(device.identity)), Math.floor(device.identity.memoryBytes / 8));
}

/** Reads a buffer far larger than the caches with the library's `probe_read` kernel. */
export async function readRoofTask(device: Device, kernels: KernelSource, bufferBytes: number = readRoofBytes(device)): Promise<Roof> {
  const bytes = Math.ceil(bufferBytes / (READ_SPAN * 4)) * READ_SPAN * 4;
  const n = bytes / 4;
  const source = await fillReadBuffer(device, bytes);
  const sink = device.allocate((n / READ_SPAN) * 4, { label: 'sums of the read roof' });
  const recorder = device.record('read roof');
  const kernel = kernels.kernel('probe_read', {}, { n });
  probeRead(recorder, kernel, { source, sink }, { n });
  const plan = recorder.finish();
  return {
    name: 'read roof',
    work: bytes * READ_PASSES,
    how: `${kernel.id} over ${(bytes / 2 ** 20).toFixed(0)} MiB with ${workersOf(device)}, in the same rounds`,
    run: () => plan.run(READ_PASSES),
    [Symbol.dispose]() {
      plan.dispose();
      sink.dispose();
      source.dispose();
    },
  };
}

/** Chains of multiply-adds in registers with the library's `probe_fma` kernel. */
export function fmaRoofTask(device: Device, kernels: KernelSource): Roof {
  const { fmaUnits: units, fmaIterations: iterations } = probeSizes(device);
  const sink = device.allocate(units * 4, { label: 'results of the compute roof' });
  const recorder = device.record('compute roof');
  const scalars = { iterations, units };
  const kernel = kernels.kernel('probe_fma', {}, scalars);
  probeFma(recorder, kernel, { sink }, scalars);
  const plan = recorder.finish();
  return {
    name: 'compute roof',
    work: 2 * FMA_WORK * iterations * units,
    how: `${kernel.id} with ${workersOf(device)}, in the same rounds`,
    run: () => plan.run(),
    [Symbol.dispose]() {
      plan.dispose();
      sink.dispose();
    },
  };
}

export function roofResult(roof: Roof, { ms }: Measurement): RoofResult {
  return { perSecond: (roof.work / ms.median) * 1000, spread: ms.mad / ms.median, how: roof.how };
}

export interface RoofOptions {
  readonly rounds: number;
  /** Default: {@link readRoofBytes}. */
  readonly roofBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Both roofs alone. */
export async function measureRoofs(device: Device, kernels: KernelSource, options: RoofOptions): Promise<{ readonly read: RoofResult; readonly fma: RoofResult }> {
  using readRoof = await readRoofTask(device, kernels, options.roofBytes);
  using fmaRoof = fmaRoofTask(device, kernels);
  const [read, fma] = await measureInterleaved([readRoof, fmaRoof], { rounds: options.rounds, nowMs: () => device.clockNs() / 1e6, signal: options.signal });
  if (read === undefined || fma === undefined) throw new Error('a roof was not measured');
  return { read: roofResult(readRoof, read), fma: roofResult(fmaRoof, fma) };
}

/** The read roof alone. */
export async function measureReadRoof(device: Device, kernels: KernelSource, options: RoofOptions): Promise<RoofResult> {
  using roof = await readRoofTask(device, kernels, options.roofBytes);
  const [read] = await measureInterleaved([roof], { rounds: options.rounds, nowMs: () => device.clockNs() / 1e6, signal: options.signal });
  if (read === undefined) throw new Error('the read roof was not measured');
  return roofResult(roof, read);
}
