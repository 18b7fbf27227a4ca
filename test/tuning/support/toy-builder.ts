/** A kernel builder without a compiler: "binaries" are small files, one mode does not compile. */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kernelId } from '../../../generator/ids.js';
import { targetOf } from '../../../generator/targets.js';
import type { Family, Variant } from '../../../generator/types.js';
import { AbortedError } from '../../../runtime/errors.js';
import type { BuiltKernel, KernelBuilder } from '../../../tuning/kernel-builder.js';
import { MODES } from './toy-family.js';

export interface ToyBuilder extends KernelBuilder {
  /** Kernel ids in the order in which they were built. */
  readonly order: readonly string[];
}

interface Queued {
  readonly id: string;
  readonly variant: Variant;
  readonly family: Family;
  readonly waiting: { resolve(built: BuiltKernel): void; reject(error: Error): void }[];
}

export function createToyBuilder(directory: string, compiler = 'toy 1.0'): ToyBuilder {
  const built = new Map<string, BuiltKernel>();
  const order: string[] = [];
  const queue: Queued[] = [];
  let pump: Promise<void> = Promise.resolve();
  const hash = (variant: Variant, family: Family): string => createHash('sha256').update(kernelId(variant, family)).digest('hex');

  /** `goodAgain` compiles to what `good` compiles to. */
  const codeOf = (variant: Variant, family: Family): string =>
    hash(variant.axes['mode'] === MODES.goodAgain ? { ...variant, axes: { ...variant.axes, mode: MODES.good } } : variant, family);

  function buildOne(variant: Variant, family: Family): BuiltKernel {
    const id = kernelId(variant, family);
    const known = built.get(id);
    if (known !== undefined) return known;
    order.push(id);
    const result = compile(id, variant, family);
    built.set(id, result);
    return result;
  }

  function compile(id: string, variant: Variant, family: Family): BuiltKernel {
    if (variant.axes['mode'] === MODES.doesNotCompile) return { ok: false, message: 'error: toy does not compile' };
    mkdirSync(directory, { recursive: true });
    const path = join(directory, `${hash(variant, family).slice(0, 32)}.so`);
    writeFileSync(path, `binary of ${id}`);
    writeFileSync(path.replace(/so$/, 'cc'), `source of ${id}`);
    return { ok: true, binary: { kernelId: id, path }, machineCode: codeOf(variant, family), resources: { codeBytes: 100 + (variant.axes['mode'] ?? 0) }, compileMs: 1 };
  }

  /** One kernel per turn of the event loop, so that who enqueues goes on first, as beside a real compiler. */
  async function work(): Promise<void> {
    while (queue.length > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      const next = queue.shift();
      if (next === undefined) return;
      const result = buildOne(next.variant, next.family);
      for (const { resolve } of next.waiting) resolve(result);
    }
  }

  function cancelQueued(): readonly string[] {
    const cancelled = queue.splice(0);
    for (const { id, waiting } of cancelled) for (const { reject } of waiting) reject(new AbortedError(`${id} was taken from the queue`));
    return cancelled.map(({ id }) => id);
  }

  return {
    compiler,
    order,
    sourceHash: hash,
    formHash: (form, family) => hash({ ...form, axes: targetOf(family, form.isa).defaults(form) }, family),
    isBuilt: (id) => built.has(id),
    builtCount: () => built.size,
    pathOf(id) {
      const kernel = built.get(id);
      return kernel?.ok === true ? kernel.binary.path : null;
    },
    build(variants, signal, onBuilt) {
      if (signal?.aborted === true) return Promise.reject(new AbortedError('stopped'));
      for (const { variant, family } of variants) {
        buildOne(variant, family);
        onBuilt?.();
      }
      return Promise.resolve(built);
    },
    enqueue(variants) {
      for (const { variant, family } of variants) {
        const id = kernelId(variant, family);
        if (!built.has(id) && !queue.some((queued) => queued.id === id)) queue.push({ id, variant, family, waiting: [] });
      }
      pump = pump.then(work);
    },
    whenBuilt(id) {
      const known = built.get(id);
      if (known !== undefined) return Promise.resolve(known);
      const queued = queue.find((candidate) => candidate.id === id);
      if (queued === undefined) return Promise.reject(new RangeError(`${id} is neither built nor enqueued`));
      return new Promise((resolve, reject) => queued.waiting.push({ resolve, reject }));
    },
    idle: () => pump,
    cancelQueued,
    async stop() {
      cancelQueued();
      await pump;
    },
  };
}
