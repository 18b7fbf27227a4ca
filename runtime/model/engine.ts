import type { ModelWeights } from '../checkpoint/types.js';
import type { Device, Plan } from '../device/types.js';
import { UsageError } from '../errors.js';
import {
  allocateActivations,
  allocateKvCache,
  allocatePacked,
  allocateShared,
  STATE,
  type Activations,
  type KvCache,
  type PackedFeedForward,
  type SharedBuffers,
} from './buffers.js';
import {
  recordCompact,
  recordDecode,
  recordMagnitude,
  recordPrefill,
  recordSelect,
  recordTail,
  type KernelSource,
  type RecordContext,
} from './transformer.js';

/** Up to this many rows a prompt is read by the products meant for few rows. */
export const FEW_ROWS = 4;
/** The KV cache grows in steps of this many positions. */
const CAPACITY_STEP = 256;
/** Recorded plans kept for reuse; the one unused for longest goes first. */
const MAX_PLANS = 32;

/** Which feed-forward weights a decode step reads. */
export type DecodePath = { readonly kind: 'dense' } | { readonly kind: 'gather' | 'compact'; readonly k: number };

/**
 * A model on a device, ready to run: weights, buffers, and recorded plans that are reused from one generation to the next. Knows nothing
 * of text, sampling or selection rules. One caller at a time.
 */
export interface Engine extends AsyncDisposable {
  readonly device: Device;
  readonly weights: ModelWeights;
  readonly kernels: KernelSource;
  readonly shared: SharedBuffers;
  /** Makes room for `positions` tokens and prefill chunks of `rows`. Keeps buffers and plans when they fit as they are. */
  prepare(positions: number, rows: number): void;
  /** Records the plans of a generation ahead of time, so that the first tokens do not pay for it. Packed weights are recorded by `compact`. */
  record(prompt: { readonly tokens: number; readonly statistic: boolean }, path: DecodePath): void;
  /** Runs prompt tokens from `start` on through the model; `statistic` adds to `scores`. At most `rows` tokens, see {@link prepare}. */
  prefill(tokens: Int32Array, start: number, options: { readonly statistic: boolean }): Promise<void>;
  /** Logits at the last row of the last prefill call, and the first token into `state`. */
  tail(): Promise<void>;
  /**
   * One token: reads token and position from `state`, writes the next there and answers it. The next step may be asked for before this one
   * is answered: then the device goes from one to the other without waiting for the host.
   */
  decode(path: DecodePath): Promise<number>;
  /** The k largest `scores` of every layer into `experts`. */
  select(k: number): Promise<void>;
  /** Weight magnitudes into `scores`. */
  magnitude(): Promise<void>;
  /** Packs the selected neurons for `decode({ kind: 'compact', k })`. */
  compact(k: number): Promise<void>;
  /** A clock around every step of a decode plan; advances the state by one token. */
  profileDecode(path: DecodePath): ReturnType<Plan['profile']>;
  /** A clock around every step of the prefill plan, with what the buffers hold. */
  profilePrefill(options: { readonly statistic: boolean }): ReturnType<Plan['profile']>;
  /** Bytes of KV cache, activations and packed weights now allocated. */
  workingBytes(): number;
  /** True once disposal has begun: nothing may run any more. */
  readonly closed: boolean;
  /** Throws a UsageError when the engine is closed. */
  requireOpen(): void;
}

interface Session {
  readonly activations: Activations;
  readonly kv: KvCache;
}

export function createEngine(device: Device, kernels: KernelSource, weights: ModelWeights): Engine {
  const { config } = weights;
  const weightBytes = device.allocatedBytes();
  const shared = allocateShared(device, config);
  const plans = new Map<string, Plan>();
  let session: Session | null = null;
  let packed: PackedFeedForward | null = null;
  let closed = false;
  /** The run that the device works on now; buffers must outlive it. */
  let inFlight: Promise<unknown> = Promise.resolve();

  async function track<T>(work: Promise<T>): Promise<T> {
    inFlight = work.catch(() => undefined);
    const result = await work;
    // Disposal may have begun meanwhile; the buffers are no longer to be touched.
    requireOpen();
    return result;
  }

  function requireOpen(): void {
    if (closed) throw new UsageError('the model has been disposed; nothing can run on it any more');
  }

  function closeSession(): void {
    dropPlans(() => true);
    session?.kv[Symbol.dispose]();
    session?.activations[Symbol.dispose]();
    session = null;
  }

  function dropPlans(which: (key: string) => boolean): void {
    for (const [key, plan] of plans) {
      if (!which(key)) continue;
      plan.dispose();
      plans.delete(key);
    }
  }

  function dropPacked(): void {
    dropPlans((key) => key.includes('compact'));
    packed?.[Symbol.dispose]();
    packed = null;
  }

  function context(): RecordContext {
    requireOpen();
    if (session === null) throw new Error('Engine.prepare comes before any run');
    return { device, kernels, weights, shared, activations: session.activations, kv: session.kv };
  }

  function plan(key: string, record: (context: RecordContext) => Plan): Plan {
    requireOpen();
    const known = plans.get(key);
    // Most recently used last.
    plans.delete(key);
    if (known === undefined && plans.size >= MAX_PLANS) {
      const [oldest, stale] = plans.entries().next().value!;
      stale.dispose();
      plans.delete(oldest);
    }
    const found = known ?? record(context());
    plans.set(key, found);
    return found;
  }

  function decodePlan(path: DecodePath): Plan {
    if (path.kind === 'dense') return plan('decode dense', (c) => recordDecode(c, { kind: 'dense' }));
    if (path.kind === 'gather') return plan(`decode gather ${path.k}`, (c) => recordDecode(c, { kind: 'gather', k: path.k }));
    const weightsOf = packed;
    if (weightsOf?.k !== path.k) throw new Error(`compact(${path.k}) comes before decode on packed weights`);
    return plan(`decode compact ${path.k}`, (c) => recordDecode(c, { kind: 'compact', packed: weightsOf }));
  }

  /** The recording depends on the length of the chunk's prompt only through few or many rows, so that results never depend on what ran before. */
  function prefillPlan(rows: number, statistic: boolean): Plan {
    const most = context().activations.rows;
    const nominal = rows <= FEW_ROWS ? Math.min(FEW_ROWS, most) : most;
    return plan(`prefill ${nominal} ${statistic}`, (c) => recordPrefill(c, { rows: nominal, statistic }));
  }

  return {
    device,
    weights,
    kernels,
    shared,
    prepare(positions, rows) {
      requireOpen();
      const capacity = Math.min(Math.ceil(positions / CAPACITY_STEP) * CAPACITY_STEP, Math.max(config.maxPositions, positions));
      const fits = session?.kv.capacity === capacity && session.activations.rows === rows;
      if (fits) return;
      closeSession();
      const activations = allocateActivations(device, config, rows);
      try {
        session = { activations, kv: allocateKvCache(device, config, capacity) };
      } catch (error) {
        activations[Symbol.dispose]();
        throw error;
      }
    },
    record(prompt, path) {
      if (prompt.tokens > 0) prefillPlan(Math.min(prompt.tokens, context().activations.rows), prompt.statistic);
      plan('tail', recordTail);
      if (path.kind !== 'compact') decodePlan(path);
    },
    async prefill(tokens, start, { statistic }) {
      const { activations } = context();
      if (tokens.length < 1 || tokens.length > activations.rows) throw new RangeError(`a chunk of ${tokens.length} tokens; prepared for 1 to ${activations.rows}`);
      activations.tokens.write(tokens);
      shared.state.write(Int32Array.of(start, tokens.length, tokens.length - 1), STATE.position * 4);
      await track(prefillPlan(tokens.length, statistic).run());
      shared.state.write(Int32Array.of(start + tokens.length), STATE.position * 4);
    },
    async tail() {
      await track(plan('tail', recordTail).run());
    },
    async decode(path) {
      const { read } = await track(decodePlan(path).run(1, { read: shared.token }));
      if (read === undefined) throw new Error('the device did not bring the token along');
      return new Int32Array(read.buffer, read.byteOffset, 1)[0]!;
    },
    async select(k) {
      await track(plan(`select ${k}`, (c) => recordSelect(c, k)).run());
    },
    async magnitude() {
      await track(plan('magnitude', recordMagnitude).run());
    },
    async compact(k) {
      if (packed?.k !== k) {
        dropPacked();
        packed = allocatePacked(device, config, k, weights.layers.map((layer) => layer.ffInBias !== null));
      }
      const target = packed;
      await track(plan(`compact ${k}`, (c) => recordCompact(c, target)).run());
      decodePlan({ kind: 'compact', k });
    },
    profileDecode: (path) => track(decodePlan(path).profile()),
    profilePrefill: ({ statistic }) => track(prefillPlan(context().activations.rows, statistic).profile()),
    workingBytes: () => device.allocatedBytes() - weightBytes,
    get closed() {
      return closed;
    },
    requireOpen,
    async [Symbol.asyncDispose]() {
      if (closed) return;
      closed = true;
      await inFlight;
      dropPacked();
      closeSession();
      shared[Symbol.dispose]();
    },
  };
}
