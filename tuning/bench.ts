/** What the kernels of a problem are timed on: buffers, and the place in their rotation. One problem at a time, and the control beside it. */
import type { Family, Problem } from '../generator/types.js';
import type { Device, Kernel } from '../runtime/device/types.js';
import { createGauge, type Gauge } from './calm.js';
import type { ExpertTrace } from './expert-trace.js';
import { createWorkload, type Workload } from './inputs.js';
import { COLD_FACTOR, createRotation, createTimer, launchesFor, probeLaunchNs, type Control, type Rotation } from './measure.js';
import { problemKey } from './types.js';

/** Most launches of a sample on a GPU. */
const GPU_LAUNCHES = 128;
/** Assumed where the device does not know its last-level cache. */
const FALLBACK_CACHE_BYTES = 32 * 2 ** 20;

export interface Bench {
  readonly workload: Workload;
  /** Of the default variant's samples: tells whether the machine was calm where there is no control. */
  readonly gauge: Gauge;
  /** The shared rotation; `standard` is timed once to see how many launches make a sample. */
  rotation(standard: Kernel): Promise<Rotation>;
}

export interface Benches {
  /** Contents and index lists depend on the seed. The bench of another problem or seed is given up. */
  of(problem: Problem, seed: number): Promise<Bench>;
  /** A timer of the control, to be disposed of by `release`. */
  control(request: { readonly kernel: Kernel; readonly problem: Problem } | null, bench: Bench): Promise<Control & { release(): void }>;
  dispose(): void;
}

interface OpenBench extends Bench {
  readonly key: string;
}

export function createBenches(device: Device, familyOf: (problem: Problem) => Family, experts: ExpertTrace | null): Benches {
  const { identity } = device;
  const coldBytes = COLD_FACTOR * (Math.max(identity.l3Bytes, identity.l2Bytes) || FALLBACK_CACHE_BYTES);
  const controls = new Map<string, Bench>();
  let current: OpenBench | null = null;

  async function open(problem: Problem, seed: number): Promise<Bench> {
    const workload = await createWorkload(device, familyOf(problem), problem, { seed, coldBytes, experts });
    let known: Rotation | null = null;
    return {
      workload,
      gauge: createGauge(),
      async rotation(standard) {
        if (known !== null) return known;
        const { sets, period } = workload;
        // Starting a graph costs what a small kernel takes: there a sample goes round the sets several times.
        const most = identity.gpu === undefined ? sets : Math.max(sets, GPU_LAUNCHES);
        known = createRotation(sets, launchesFor(await probeLaunchNs(device, standard, workload), most, period), most);
        return known;
      },
    };
  }

  return {
    async of(problem, seed) {
      const key = `${problemKey(problem)} #${seed}`;
      if (current?.key === key) return current;
      current?.workload.dispose();
      current = null; // an allocation failure below must not leave a disposed bench behind
      current = { key, ...(await open(problem, seed)) };
      return current;
    },
    async control(request, bench) {
      if (request === null) return { timer: null, gauge: bench.gauge, release: () => undefined };
      const { kernel, problem } = request;
      const key = `${problemKey(problem)} ${kernel.id}`;
      const own = controls.get(key) ?? (await open(problem, 0));
      controls.set(key, own);
      const timer = createTimer(device, kernel, own.workload, await own.rotation(kernel));
      return { timer, gauge: own.gauge, release: () => timer.dispose() };
    },
    dispose() {
      current?.workload.dispose();
      for (const control of controls.values()) control.workload.dispose();
      controls.clear();
      current = null;
    },
  };
}
