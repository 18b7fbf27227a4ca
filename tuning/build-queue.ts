/** What is to be compiled, in which order, by how many compilers at a time; who waits for it is told. Knows nothing of kernels. */
import { AbortedError, TuneError } from '../runtime/errors.js';

export interface BuildQueueOptions<Item, Result> {
  /** Compilers at a time for what somebody waits for in `now`, and for the rest. */
  readonly jobs: number;
  readonly backgroundJobs: number;
  /** Most items compiled together, and which may be: those of one group. */
  readonly batch: number;
  readonly groupOf: (item: Item) => string;
  /** Calls `settle` once per item. An item without a result, or a rejection, fails what is left of the batch and of the queue. */
  readonly run: (items: readonly Item[], settle: (id: string, result: Result) => void, signal: AbortSignal) => Promise<void>;
}

export interface BuildQueue<Item, Result> {
  /** Puts items at the end, in order. Those that are known already are left as they are. */
  add(items: ReadonlyMap<string, Item>): void;
  /** Puts items before all that was added, and resolves when none of them is left. Rejects with the first failure among them. */
  now(items: ReadonlyMap<string, Item>, onSettled: (id: string) => void): Promise<void>;
  /** Rejects when the item failed, was taken from the queue, or was never in it. Never an unhandled rejection. */
  when(id: string): Promise<Result>;
  has(id: string): boolean;
  /** Resolves when nothing runs and nothing is queued, also after a failure. */
  idle(): Promise<void>;
  /** Forgets what has not started, and returns its ids; who waits for it gets an AbortedError. */
  cancelQueued(): readonly string[];
  /** The same, and ends what runs. The queue can be used again afterwards. */
  stop(): Promise<void>;
}

interface Entry<Item, Result> {
  readonly id: string;
  readonly item: Item;
  readonly result: Promise<Result>;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** The first batches after a rest are small, so that there is soon something to measure. */
const FIRST_BATCH = 2;

export function createBuildQueue<Item, Result>(options: BuildQueueOptions<Item, Result>): BuildQueue<Item, Result> {
  const { jobs, backgroundJobs, batch, groupOf, run } = options;
  let urgent: Entry<Item, Result>[] = [];
  let background: Entry<Item, Result>[] = [];
  /** Queued, running and failed ones; done ones are the caller's. */
  const entries = new Map<string, Entry<Item, Result>>();
  const failed = new Set<string>();
  const active = { urgent: 0, background: 0 };
  const atRest: (() => void)[] = [];
  let controller = new AbortController();
  let largest = FIRST_BATCH;

  function entryOf(id: string, item: Item): Entry<Item, Result> {
    let resolve!: (result: Result) => void;
    let reject!: (error: unknown) => void;
    const result = new Promise<Result>((done, fail) => ([resolve, reject] = [done, fail]));
    result.catch(() => undefined); // perhaps nobody asks; who asks, hears
    const entry = { id, item, result, resolve, reject };
    entries.set(id, entry);
    failed.delete(id);
    return entry;
  }
  const unknown = (id: string): boolean => !entries.has(id) || failed.has(id);

  function fail(list: readonly Entry<Item, Result>[], error: unknown): void {
    for (const entry of list) {
      failed.add(entry.id);
      entry.reject(error);
    }
  }

  /** The first of a queue and those that can be compiled with it. */
  function take(queue: Entry<Item, Result>[], compilers: number, most: number): Entry<Item, Result>[] {
    const group = groupOf(queue[0]!.item);
    const alike = queue.filter(({ item }) => groupOf(item) === group);
    return alike.slice(0, Math.max(1, Math.min(most, Math.ceil(alike.length / compilers))));
  }

  function start(): void {
    for (;;) {
      const running = active.urgent + active.background;
      if (urgent.length > 0 && running < jobs) {
        const members = take(urgent, jobs, batch);
        urgent = urgent.filter((entry) => !members.includes(entry));
        void runBatch(members, 'urgent');
      } else if (urgent.length === 0 && background.length > 0 && running < backgroundJobs) {
        const members = take(background, backgroundJobs, largest);
        largest = Math.min(batch, 2 * largest);
        background = background.filter((entry) => !members.includes(entry));
        void runBatch(members, 'background');
      } else break;
    }
    if (active.urgent + active.background > 0) return;
    largest = FIRST_BATCH;
    for (const wake of atRest.splice(0)) wake();
  }

  async function runBatch(members: readonly Entry<Item, Result>[], kind: 'urgent' | 'background'): Promise<void> {
    active[kind]++;
    const left = new Map(members.map((entry) => [entry.id, entry]));
    try {
      const settle = (id: string, result: Result): void => {
        const entry = left.get(id);
        if (!left.delete(id)) return;
        entries.delete(id);
        entry?.resolve(result);
      };
      await run(members.map(({ item }) => item), settle, controller.signal);
      fail([...left.values()], new TuneError('a kernel was compiled and left no result'));
    } catch (error) {
      // Not the kernels' fault: what is queued would meet the same.
      const queued = [...urgent.splice(0), ...background.splice(0)];
      fail([...left.values(), ...queued], error);
    } finally {
      active[kind]--;
      start();
    }
  }

  function cancelQueued(): readonly string[] {
    const queued = [...urgent.splice(0), ...background.splice(0)];
    for (const entry of queued) {
      entries.delete(entry.id);
      entry.reject(new AbortedError('the kernel was taken from the queue before it was compiled'));
    }
    return queued.map(({ id }) => id);
  }

  function idle(): Promise<void> {
    if (active.urgent + active.background + urgent.length + background.length === 0) return Promise.resolve();
    return new Promise((resolve) => atRest.push(resolve));
  }

  return {
    add(items) {
      for (const [id, item] of items) if (unknown(id)) background.push(entryOf(id, item));
      start();
    },
    async now(items, onSettled) {
      const waiting = [...items].map(([id, item]) => {
        const known = entries.get(id);
        if (known === undefined || failed.has(id)) {
          const entry = entryOf(id, item);
          urgent.push(entry);
          return entry;
        }
        if (background.includes(known)) {
          background = background.filter((entry) => entry !== known);
          urgent.push(known);
        }
        return known;
      });
      start();
      const outcomes = await Promise.allSettled(waiting.map(({ id, result }) => result.then(() => onSettled(id))));
      const failure = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failure !== undefined) throw failure.reason;
    },
    when(id) {
      return entries.get(id)?.result ?? Promise.reject(new TuneError(`${id} was not asked to be compiled`));
    },
    has: (id) => entries.has(id),
    idle,
    cancelQueued,
    async stop() {
      cancelQueued();
      const before = controller;
      controller = new AbortController();
      before.abort();
      await idle();
    },
  };
}
