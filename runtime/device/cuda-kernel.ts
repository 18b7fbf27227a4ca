import { z } from 'zod';

import { LibraryError } from '../errors.js';
import type { NativeHandle } from './addon.js';
import { type LaunchExpression, parseLaunchExpression } from './launch-expression.js';
import type { Kernel } from './types.js';

/** Version of the kernel ABI (docs/cuda.md) that this build launches. */
const KERNEL_ABI = 1;
/** Hardware limits of every GPU from 8.0 on: blocks along x, and along y and z; threads of a block. */
const MOST_BLOCKS: readonly [number, number, number] = [2 ** 31 - 1, 65535, 65535];
const MOST_THREADS = 1024;
const REMEDY = 'npm run build:kernels, or tune again if the file is of a tuned library';

const name = z.string().regex(/^[A-Za-z_]\w*$/);
const descriptionSchema = z.strictObject({
  abi: z.literal(KERNEL_ABI),
  id: z.string().regex(/^\w+$/),
  isa: z.enum(['sm80', 'sm90']),
  tensors: z.int().min(0).max(256),
  ints: z.array(name).max(256),
  dynamic: z.array(name).max(256),
  floats: z.array(name).max(256),
  paramBytes: z.int().min(16).max(4096),
  phases: z
    .array(
      z.strictObject({
        entry: z.string().regex(/^\w+$/),
        grid: z.tuple([z.string(), z.string(), z.string()]),
        block: z.int().min(32).max(MOST_THREADS).multipleOf(32),
        shared: z.string(),
        cluster: z.int().min(1).max(16).optional(),
      }),
    )
    .min(1)
    .max(64),
  workspace: z.string(),
  counters: z.string(),
});

interface PhaseDescription {
  readonly entry: string;
  readonly grid: readonly [LaunchExpression, LaunchExpression, LaunchExpression];
  readonly block: number;
  readonly shared: LaunchExpression;
  readonly cluster: number;
}

/** What a kernel says about itself in its module. */
export interface KernelDescription {
  readonly id: string;
  readonly isa: string;
  readonly tensors: number;
  readonly ints: readonly string[];
  /** Which of `ints` may be read from device memory, in the order of `ints`. */
  readonly dynamic: readonly string[];
  readonly floats: readonly string[];
  readonly paramBytes: number;
  readonly phases: readonly PhaseDescription[];
  readonly workspace: LaunchExpression;
  readonly counters: LaunchExpression;
}

/** One launch: sizes in blocks, threads and bytes. */
export interface Launch {
  readonly phase: number;
  readonly grid: readonly [number, number, number];
  readonly block: number;
  readonly sharedBytes: number;
  readonly cluster: number;
}

/** What a kernel needs for given ints. */
export interface LaunchGeometry {
  /** Blocks of each phase, 0 for one that is not launched. */
  readonly units: readonly number[];
  readonly launches: readonly Launch[];
  readonly workspaceBytes: number;
  /** 32-bit words. */
  readonly counters: number;
}

/** Reads a description. Throws LibraryError naming file and symbol when it is of another ABI or contradicts itself. */
export function parseDescription(text: string, symbol: string, path: string): KernelDescription {
  const fail = (what: string, cause?: unknown): LibraryError => new LibraryError(`${path}: ${symbol} ${what}`, { remedy: REMEDY, cause });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw fail('has a description that is not JSON', cause);
  }
  const abi = (json as { abi?: unknown } | null)?.abi;
  if (abi !== KERNEL_ABI) throw fail(`has kernel ABI version ${String(abi)}, this build runs version ${KERNEL_ABI}`);
  const parsed = descriptionSchema.safeParse(json);
  if (!parsed.success) throw fail(`has a malformed description: ${z.prettifyError(parsed.error)}`, parsed.error);
  const { data } = parsed;
  if (`gk_${data.id}` !== symbol) throw fail(`describes itself as ${data.id}`);
  const dynamic = data.ints.filter((int) => data.dynamic.includes(int));
  if (dynamic.length !== data.dynamic.length) throw fail(`names a dynamic int that is not among its ints: ${data.dynamic.join(', ')}`);
  const bytes = 8 * (data.tensors + dynamic.length + 2) + 4 * (data.ints.length + data.floats.length);
  const padded = Math.ceil(bytes / 8) * 8;
  if (padded !== data.paramBytes) throw fail(`has ${data.paramBytes} bytes of parameters, its arguments need ${padded}`);
  const known = new Set([...data.ints, 'sms']);
  const parse = (expression: string): LaunchExpression => {
    const result = parseLaunchExpression(expression);
    const unknown = result.names.find((each) => !known.has(each));
    if (unknown !== undefined) throw fail(`uses ${unknown} in \`${expression}\`, known: ${[...known].join(', ')}`);
    return result;
  };
  return {
    ...data,
    dynamic,
    phases: data.phases.map(({ entry, grid: [x, y, z_], block, shared, cluster }) => ({
      entry,
      grid: [parse(x), parse(y), parse(z_)],
      block,
      shared: parse(shared),
      cluster: cluster ?? 1,
    })),
    workspace: parse(data.workspace),
    counters: parse(data.counters),
  };
}

/**
 * Grids, shared memory, workspace and counters for these ints on a GPU of `multiprocessors`. A grid with a zero is left out, unless it is the
 * kernel's only phase: that one is launched with one block along the empty dimension, and finds out by itself that there is nothing to do.
 * Throws LibraryError for a size that is negative or past what any GPU takes.
 */
export function geometryOf(kernel: KernelDescription, ints: readonly number[], multiprocessors: number): LaunchGeometry {
  const values: Record<string, number> = { sms: multiprocessors };
  for (const [i, int] of kernel.ints.entries()) values[int] = ints[i] as number;
  const evaluate = (expression: LaunchExpression, what: string, most: number): number => {
    const value = expression.evaluate(values);
    if (value >= 0 && value <= most) return value;
    const sizes = kernel.ints.map((int) => `${int} = ${values[int]}`).join(', ');
    throw new LibraryError(`${kernel.id}: ${what} \`${expression.text}\` is ${value}, must be 0 to ${most} (${sizes})`, { remedy: REMEDY });
  };
  const units: number[] = [];
  const launches: Launch[] = [];
  for (const [phase, { entry, grid, block, shared, cluster }] of kernel.phases.entries()) {
    const blocks = grid.map((each, i) => evaluate(each, `${entry}: grid ${'xyz'[i]}`, MOST_BLOCKS[i] as number)) as [number, number, number];
    units.push(blocks[0] * blocks[1] * blocks[2]);
    if (blocks.includes(0) && kernel.phases.length > 1) continue;
    const [x, y, z_] = blocks.map((count) => Math.max(1, count)) as [number, number, number];
    // A grid must be whole clusters; blocks past the end do nothing.
    const launched: [number, number, number] = [Math.ceil(x / cluster) * cluster, y, z_];
    launches.push({ phase, grid: launched, block, sharedBytes: evaluate(shared, `${entry}: shared memory`, 2 ** 20), cluster });
  }
  return {
    units,
    launches,
    workspaceBytes: evaluate(kernel.workspace, 'workspace', Number.MAX_SAFE_INTEGER),
    counters: evaluate(kernel.counters, 'counters', 2 ** 30),
  };
}

/** A kernel of a loaded module. */
export class CudaKernel implements Kernel {
  readonly id: string;
  readonly phases: number;
  readonly scratchBytes = 0;

  constructor(
    readonly native: NativeHandle,
    readonly description: KernelDescription,
    /** The device that loaded it. */
    readonly device: () => NativeHandle,
  ) {
    this.id = description.id;
    this.phases = description.phases.length;
  }
}
