import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { LibraryError } from '../errors.js';
import { packageRoot } from '../paths.js';

/**
 * What ships with the package: `generated/manifest.json` (the default kernel of every form, as source) and `build/kernels/index.json`
 * (the same kernels, compiled for this machine by `npm run build`). Both are written through these schemas.
 */

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 is 64 hexadecimal digits');
export const kernelId = z.string().regex(/^[a-z0-9_]+$/, 'a kernel id is made of a-z, 0-9 and _');
export const fileName = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/, 'a plain file name without folders');

const familySchema = z.strictObject({
  summary: z.string(),
  /** Names of compile-time parameters in the order in which ids spell them. */
  params: z.array(z.string()),
  /** Tensors in launch order. */
  tensors: z.array(z.strictObject({ name: z.string(), role: z.enum(['input', 'output', 'inout']), optional: z.boolean() })),
  /** Scalars in launch order; ints and floats are numbered apart. */
  scalars: z.array(z.strictObject({ name: z.string(), type: z.enum(['int', 'float']), dynamic: z.boolean() })),
});
export type ManifestFamily = z.infer<typeof familySchema>;

const formSchema = z.strictObject({
  family: z.string(),
  params: z.record(z.string(), z.string()),
  isa: z.string(),
  /** Id of the default variant. */
  kernel: kernelId,
  /** Path of its source inside `generated/`. */
  source: z.string().regex(/^(cpu\/[a-z0-9]+\/[a-z0-9_]+\.cc|cuda\/sm[0-9]+\/[a-z0-9_]+\.cu)$/, 'a path like cpu/avx2/<kernel id>.cc or cuda/sm80/<kernel id>.cu'),
  /** SHA-256 of the standalone source (prelude included, without the banner). */
  sha256,
});
export type ManifestForm = z.infer<typeof formSchema>;

export const MANIFEST_SCHEMA = 1;
export const manifestSchema = z.strictObject({
  generatedBy: z.string(),
  schema: z.literal(MANIFEST_SCHEMA),
  /** GK_ABI_VERSION that the sources were written against. */
  abi: z.number().int().positive(),
  families: z.record(z.string(), familySchema),
  /** By form id, e.g. `ff_down_gather__bf16__avx512`. */
  forms: z.record(z.string(), formSchema),
  /**
   * Forms without a default kernel of their own (`sm90`), by form id: SHA-256 of the default variant's standalone source, which tells
   * whether a tuned kernel of the form is still of today's templates.
   */
  tunedForms: z.record(z.string(), sha256).optional(),
});
export type Manifest = z.infer<typeof manifestSchema>;

const objectSchema = z.strictObject({
  file: fileName,
  sha256,
  /** Hash of sources, flags and compiler: unchanged means up to date. */
  key: sha256,
  kernels: z.array(kernelId).min(1),
});
export type KernelObject = z.infer<typeof objectSchema>;

export const KERNEL_INDEX_SCHEMA = 1;
export const kernelIndexSchema = z.strictObject({
  schema: z.literal(KERNEL_INDEX_SCHEMA),
  /** First line of the compiler's version. */
  compiler: z.string(),
  /** Shared objects by instruction set. A kernel's symbol is `gk_` + its id. */
  isas: z.record(z.string(), z.array(objectSchema)),
});
export type KernelIndex = z.infer<typeof kernelIndexSchema>;

/** The index lists kernels of the emulated device under this and a flavour, `checked` or `fast`. */
export const EMULATED_TARGET_PREFIX = 'emulated-';

/** `generated/` of this package. */
export function generatedDirectory(): string {
  return join(packageRoot(), 'generated');
}

/** `build/kernels/` of this package: the compiled default kernels. */
export function defaultKernelDirectory(): string {
  return join(packageRoot(), 'build', 'kernels');
}

/** Reads `generated/manifest.json`. Throws a LibraryError when it is missing or is not one. */
export function readManifest(directory = generatedDirectory()): Manifest {
  return readJson(join(directory, 'manifest.json'), manifestSchema, 'kernel manifest', 'npm run generate');
}

/** Reads `build/kernels/index.json`. Throws a LibraryError when it is missing or is not one. */
export function readKernelIndex(directory = defaultKernelDirectory(), remedy = 'npm run build:kernels'): KernelIndex {
  return readJson(join(directory, 'index.json'), kernelIndexSchema, 'index of default kernels', remedy);
}

/** The family is known, but not in this form. */
export class NoFormError extends LibraryError {}

/**
 * The form of a family at parameters, with its default kernel: of the strongest of the device's instruction sets (weakest first) that has one.
 * Throws a LibraryError that lists what there is when the family or a parameter is unknown, or no instruction set has the form.
 */
export function findForm(manifest: Manifest, family: string, params: Readonly<Record<string, string>>, isas: readonly string[]): ManifestForm {
  const known = Object.hasOwn(manifest.families, family) ? manifest.families[family] : undefined;
  if (known === undefined) throw new LibraryError(`unknown kernel family "${family}"; there are: ${Object.keys(manifest.families).join(', ')}`);
  const id = formStem(family, known, params);
  const form = isas.map((isa) => manifest.forms[`${id}__${isa}`]).findLast((found) => found !== undefined);
  if (form === undefined) {
    const forms = Object.keys(manifest.forms).filter((name) => name.startsWith(`${family}__`));
    throw new NoFormError(`no kernel form ${id} for ${isas.join(' or ') || 'no instruction set'}; ${family} has: ${forms.join(', ')}`);
  }
  return form;
}

/** SHA-256 of the default variant's source of a form, or undefined when this version has no such form. */
export function formHash(manifest: Manifest, family: string, params: Readonly<Record<string, string>>, isa: string): string | undefined {
  const known = Object.hasOwn(manifest.families, family) ? manifest.families[family] : undefined;
  if (known === undefined || Object.keys(params).length !== known.params.length) return undefined;
  const id = `${formStem(family, known, params)}__${isa}`;
  return manifest.forms[id]?.sha256 ?? manifest.tunedForms?.[id];
}

/** A form's id without its instruction set. */
function formStem(family: string, known: ManifestFamily, params: Readonly<Record<string, string>>): string {
  return `${family}__${known.params.map((name) => params[name] ?? '').join('_') || 'any'}`;
}

/** The object that holds a kernel among those built for its instruction set, or undefined. */
export function findObject(index: KernelIndex, isa: string, kernel: string): KernelObject | undefined {
  return index.isas[isa]?.find((object) => object.kernels.includes(kernel));
}

/** Reads a file through its schema. Throws a LibraryError with the remedy when it is missing or is not valid. */
export function readJson<T>(path: string, schema: z.ZodType<T>, what: string, remedy: string): T {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new LibraryError(`cannot read the ${what}: ${path}: ${(error as Error).message}`, { remedy, cause: error });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new LibraryError(`the ${what} is not JSON: ${path}: ${(error as Error).message}`, { remedy, cause: error });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new LibraryError(`the ${what} is not valid: ${path}: at ${issue?.path.join('.') || 'the top'}: ${issue?.message ?? 'unknown'}`, { remedy });
  }
  return parsed.data;
}
