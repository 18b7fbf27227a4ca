/** Kernels of a vendor's library as candidates: they have an id and a place in the journal as every other, but no source, no binary and no axes. */
import { formId, kernelId } from '../generator/ids.js';
import { paramSets } from '../generator/forms.js';
import type { Family, Isa, Params, Variant } from '../generator/types.js';
import { VENDOR_ISA, type Device, type VendorKernel } from '../runtime/device/types.js';
import { DeviceError, LibraryError } from '../runtime/errors.js';
import { vendorHash } from '../runtime/library/winners.js';
import type { BuiltKernel, KernelBuilder } from './kernel-builder.js';
import { ownMachineCode } from './machine-code.js';

/** What a worker found of a vendor's library. */
export interface VendorInfo {
  readonly version: string;
  readonly kernelIds: readonly string[];
}

/** In the place of a variant: `isa` is none that the generator knows. */
export function vendorVariant(family: Family, params: Params): Variant {
  return { family: family.name, params, isa: VENDOR_ISA as Isa, axes: {} };
}

export const isVendor = ({ isa }: Pick<Variant, 'isa'>): boolean => (isa as string) === VENDOR_ISA;
export const isVendorId = (id: string): boolean => id.split('__')[2] === VENDOR_ISA;

/** `kernelId`, also of a vendor's kernel: `linear_gemm__bf16_outin__cublaslt__base`. */
export function candidateId(variant: Variant, family: Family): string {
  return isVendor(variant) ? `${formId(variant, family)}__base` : kernelId(variant, family);
}

/** The family and parameters of a vendor's kernel, or null for an id of another kind. */
export function parseVendorId(id: string, families: readonly Family[]): { readonly family: Family; readonly params: Params } | null {
  for (const family of families) {
    for (const params of paramSets(family)) if (candidateId(vendorVariant(family, params), family) === id) return { family, params };
  }
  return null;
}

/** What a device has of a vendor's library; undefined where that is nothing. */
export function findVendor(device: Device, families: readonly Family[]): VendorInfo | undefined {
  const found = families.flatMap((family) => paramSets(family).flatMap((params) => tryVendor(device, family, params) ?? []));
  return found[0] === undefined ? undefined : { version: found[0].version, kernelIds: found.map(({ id }) => id) };
}

/** Null also where the library does not start, or where the kernel that this one needs beside it cannot be loaded: nothing depends on it. */
function tryVendor(device: Device, family: Family, params: Params): VendorKernel | null {
  try {
    return device.vendorKernel?.(family.name, params) ?? null;
  } catch (error) {
    if (error instanceof DeviceError || error instanceof LibraryError) return null;
    throw error;
  }
}

/** A vendor's kernel by its id. Throws a LibraryError when the device does not have it. */
export function loadVendor(device: Device, id: string, families: readonly Family[]): VendorKernel {
  const form = parseVendorId(id, families);
  const kernel = form === null ? null : (device.vendorKernel?.(form.family.name, form.params) ?? null);
  if (kernel === null) throw new LibraryError(`${id}: the vendor's library is not found, or has no such kernel`, { remedy: 'set GRIFFIN_CUBLASLT to the path of cuBLASLt' });
  return kernel;
}

/** A builder that also takes a vendor's kernels, which are there already. */
export function withVendor(builder: KernelBuilder, vendor: VendorInfo): KernelBuilder {
  return {
    compiler: builder.compiler,
    sourceHash: (variant, family) => (isVendor(variant) ? vendorHash(vendor.version) : builder.sourceHash(variant, family)),
    formHash: (form, family) => builder.formHash(form, family),
    isBuilt: (id) => isVendorId(id) || builder.isBuilt(id),
    builtCount: () => builder.builtCount(),
    pathOf: (id) => builder.pathOf(id),
    idle: () => builder.idle(),
    cancelQueued: () => builder.cancelQueued(),
    stop: () => builder.stop(),
    enqueue: (variants) => builder.enqueue(variants.filter(({ variant }) => !isVendor(variant))),
    whenBuilt: (id) => (isVendorId(id) ? Promise.resolve(vendorKernel(id, vendor.version)) : builder.whenBuilt(id)),
    async build(variants, signal, onBuilt) {
      const ours = variants.filter(({ variant }) => !isVendor(variant));
      const built = await builder.build(ours, signal, onBuilt);
      if (ours.length === variants.length) return built;
      const theirs = variants.flatMap(({ variant, family }): [string, BuiltKernel][] => {
        const id = candidateId(variant, family);
        return isVendor(variant) ? [[id, vendorKernel(id, vendor.version)]] : [];
      });
      return new Map([...built, ...theirs]);
    },
  };
}

/** Nothing is known of its code, and nothing had to be compiled. */
function vendorKernel(id: string, version: string): BuiltKernel {
  return { ok: true, binary: { kernelId: id, path: '' }, machineCode: ownMachineCode(id, vendorHash(version)), resources: {}, compileMs: 0 };
}
