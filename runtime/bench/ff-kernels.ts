/** The gathered feed-forward kernels alone, at one row and on cold weights, against the same kernel on compacted weights and the read roof. */
import { ffDownGather, ffGateUpGather } from '../../generated/launchers.js';
import { ACTIVATIONS, type ModelConfig } from '../checkpoint/types.js';
import type { Device, DeviceBuffer, Plan } from '../device/types.js';
import { drawExperts } from '../griffin/selection.js';
import { WEIGHT_BYTES, ffGroup } from '../model/buffers.js';
import type { KernelLibrary } from '../library/library.js';
import { lastLevelCacheBytes } from './machine.js';
import type { FfKernelResult, RoofResult } from './result.js';
import { readRoofTask, roofResult } from './roofs.js';
import { measureInterleaved, pairedRatio } from './rounds.js';
import { keptNeurons } from './traffic.js';

export interface FfKernelOptions {
  readonly density: number;
  readonly rounds: number;
  /** Bytes between two uses of a weight. Default: 4 × the last-level cache, at least 256 MiB. */
  readonly coldBytes?: number | undefined;
  /** Bytes of the read roof's buffer. Default: see {@link readRoofBytes}. */
  readonly roofBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((text: string) => void) | undefined;
}

type Operation = 'gate_up' | 'down';
type Variant = 'dense' | 'gather' | 'compact';
const VARIANTS: readonly Variant[] = ['dense', 'gather', 'compact'];

/** Weights are cold when what lies between two uses of a byte is this many times the last-level cache. */
const COLD_FACTOR = 4;
const MIN_COLD_BYTES = 256 * 2 ** 20;
const ALIGNMENT = 64;

interface FfTask {
  readonly operation: Operation;
  readonly variant: Variant;
  readonly kernelId: string;
  readonly origin: string;
  readonly k: number;
  /** Bytes of one call. */
  readonly bytes: number;
  readonly plan: Plan;
}

export async function benchFfKernels(
  device: Device,
  config: ModelConfig,
  library: KernelLibrary,
  options: FfKernelOptions,
): Promise<{ readonly read: RoofResult; readonly results: readonly FfKernelResult[] }> {
  const { hiddenSize: hidden, intermediateSize: F, dtype } = config;
  const element = WEIGHT_BYTES[dtype];
  const group = ffGroup(config);
  const inBytes = F * group * hidden * element;
  const outBytes = F * hidden * element;
  const k = keptNeurons(F, options.density);
  const coldBytes = options.coldBytes ?? Math.max(MIN_COLD_BYTES, COLD_FACTOR * lastLevelCacheBytes(device.identity));
  // Even the smallest use (the kept rows of W_out) must exceed the caches over one round through the copies.
  const copies = Math.max(2, Math.ceil(coldBytes / Math.max(1, k * hidden * element)));
  const held: Disposable[] = [];
  // Views count as well: a buffer's memory is given back when the last view of it is.
  const hold = <T extends Disposable>(resource: T): T => {
    held.push(resource);
    return resource;
  };
  const allocate = (label: string, bytes: number): DeviceBuffer => hold(device.allocate(bytes, { label }));
  /** One allocation for all copies, each on a cache line of its own as a model's weights are. */
  const randomCopies = async (label: string, bytes: number, seed: number): Promise<DeviceBuffer[]> => {
    const stride = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    const all = allocate(`${copies} copies of ${label}`, copies * stride);
    await device.fillRandom(all, dtype, seed, 1 / Math.sqrt(hidden));
    return Array.from({ length: copies }, (_, copy) => hold(all.view(copy * stride, bytes)));
  };
  try {
    options.onProgress?.(`${copies} copies of the feed-forward weights`);
    const ffIn = await randomCopies('W_in', inBytes, 1);
    const ffOut = await randomCopies('W_out', outBytes, 2);
    const x = allocate('input', hidden * 4);
    const h = allocate('activations', F * 4);
    const y = allocate('output', hidden * 4);
    await device.fillRandom(x, 'f32', 1001, 1);
    await device.fillRandom(h, 'f32', 1002, 1);
    const experts = allocate('experts', copies * F * 4);
    experts.write(drawExperts('random', null, { layers: copies, intermediateSize: F, k }, 7));

    const record = (operation: Operation, variant: Variant): FfTask => {
      const kept = variant === 'dense' ? F : k;
      // The first k records of a copy are exactly what compaction would have written.
      const intermediate = variant === 'compact' ? k : F;
      const dims = { rows: 1, hidden, intermediate, k: kept };
      const activation = ACTIVATIONS[config.activation];
      const gated = config.gated ? 'gated' : 'plain';
      const family = operation === 'gate_up' ? 'ff_gate_up_gather' : 'ff_down_gather';
      const params = operation === 'gate_up' ? { dtype, gated } : { dtype };
      const problemDims = operation === 'gate_up' ? { ...dims, activation } : dims;
      const { kernel, how } = library.resolve({ family, params, dims: problemDims });
      const recorder = device.record(`${operation} ${variant}`);
      for (let copy = 0; copy < copies; copy++) {
        const weightsIn = ffIn[copy];
        const weightsOut = ffOut[copy];
        if (weightsIn === undefined || weightsOut === undefined) continue;
        const list = variant === 'gather' ? hold(experts.view(copy * F * 4, F * 4)) : null;
        if (operation === 'gate_up') {
          ffGateUpGather(recorder, kernel, { x, wIn: weightsIn, bias: null, experts: list, h }, { ...dims, activation }, { label: 'gate_up' });
        } else {
          ffDownGather(recorder, kernel, { h, wOut: weightsOut, experts: list, bias: null, residual: null, y }, dims, { label: 'down' });
        }
      }
      const plan = hold(recorder.finish());
      const bytes = kept * hidden * element * (operation === 'gate_up' ? group : 1) + (variant === 'gather' ? kept * 4 : 0);
      return { operation, variant, kernelId: kernel.id, origin: how, k: kept, bytes, plan };
    };
    const tasks = (['gate_up', 'down'] as const).flatMap((operation) => VARIANTS.map((variant) => record(operation, variant)));
    const roof = hold(await readRoofTask(device, library, options.roofBytes));

    const [read, ...measured] = await measureInterleaved(
      [roof, ...tasks.map((task) => ({ name: `${task.operation} ${task.variant}`, run: () => task.plan.run() }))],
      {
        rounds: options.rounds,
        nowMs: () => device.clockNs() / 1e6,
        signal: options.signal,
        onRound: (done, total) => options.onProgress?.(`feed-forward kernels, round ${done} of ${total}`),
      },
    );
    if (read === undefined) throw new Error('the read roof was not measured');
    const results = tasks.map((task, index): FfKernelResult => {
      const own = measured[index];
      if (own === undefined) throw new Error(`${task.operation} ${task.variant} was not measured`);
      const compact = measured[tasks.findIndex((other) => other.operation === task.operation && other.variant === 'compact')];
      const us = (ms: number): number => (ms * 1000) / copies;
      return {
        operation: task.operation,
        variant: task.variant,
        kernel: task.kernelId,
        origin: task.origin,
        k: task.k,
        bytes: task.bytes,
        us: { median: us(own.ms.median), mad: us(own.ms.mad), min: us(own.ms.min), max: us(own.ms.max), samples: own.ms.samples },
        bytesPerSecond: (task.bytes * copies * 1000) / own.ms.median,
        shareOfReadRoof: pairedRatio(read.byRound.map((ms) => ms * ((task.bytes * copies) / roof.work)), own.byRound),
        overCompact: task.variant === 'gather' && compact !== undefined ? pairedRatio(own.byRound, compact.byRound) : null,
      };
    });
    return { read: roofResult(roof, read), results };
  } finally {
    while (held.length > 0) held.pop()?.[Symbol.dispose]();
  }
}
