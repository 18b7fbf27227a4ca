import { join } from 'node:path';
import { z } from 'zod';
import { fileName, generatedDirectory, kernelId, readJson, sha256 } from './manifest.js';

/**
 * `generated/cuda/fatbins.json`: the default CUDA kernels compiled for every listed compute capability, one `<family>.fatbin` per family.
 * `griffin kernels fatbins` writes it through this schema.
 */

const count = z.number().int().nonnegative();

/** What one entry needs of a device: 32-bit registers of a thread; bytes of static shared memory, of stack, of spills; barriers. */
const statisticsSchema = z.strictObject({ registers: count, shared: count, stack: count, spillStores: count, spillLoads: count, barriers: count });

const kernelSchema = z.strictObject({
  /** SHA-256 of the standalone source: equals the manifest's when the fatbin is of today's sources. */
  source: sha256,
  /** By capability (10 × major + minor), then by phase. */
  statistics: z.record(z.string(), z.record(z.string(), statisticsSchema)),
});

const fatbinSchema = z.strictObject({
  file: fileName,
  sha256,
  /** Hash of sources, flags, capabilities and compiler: unchanged means up to date. */
  key: sha256,
  bytes: count,
  kernels: z.record(kernelId, kernelSchema),
});
export type Fatbin = z.infer<typeof fatbinSchema>;

export const FATBIN_INDEX_SCHEMA = 1;
export const fatbinIndexSchema = z.strictObject({
  generatedBy: z.string(),
  schema: z.literal(FATBIN_INDEX_SCHEMA),
  /** The compiler's release line. */
  compiler: z.string(),
  /** Capabilities with machine code, oldest first, and the one of the PTX that newer devices translate. */
  capabilities: z.array(count).min(1),
  ptx: count,
  /** By family. */
  families: z.record(z.string(), fatbinSchema),
});
export type FatbinIndex = z.infer<typeof fatbinIndexSchema>;

export const FATBIN_REMEDY = 'npx griffin kernels fatbins';

/** `generated/cuda/` of this package. */
export function fatbinDirectory(): string {
  return join(generatedDirectory(), 'cuda');
}

/** Reads `fatbins.json`. Throws a LibraryError when it is missing or is not one. */
export function readFatbinIndex(directory = fatbinDirectory()): FatbinIndex {
  return readJson(join(directory, 'fatbins.json'), fatbinIndexSchema, 'index of compiled CUDA kernels', FATBIN_REMEDY);
}

/** The fatbin of a kernel, or undefined. */
export function findFatbin(index: FatbinIndex, family: string, kernel: string): Fatbin | undefined {
  const fatbin = Object.hasOwn(index.families, family) ? index.families[family] : undefined;
  return fatbin !== undefined && Object.hasOwn(fatbin.kernels, kernel) ? fatbin : undefined;
}
