import type { KernelSource } from '../model/transformer.js';
import type { KernelOrigin } from './result.js';

/** Says where the kernel for a problem came from, e.g. `exact: 5123 ns at rows=1 in=4096 out=12288`. */
export type DescribeOrigin = (family: string, params: Readonly<Record<string, string>>, dims: Readonly<Record<string, number>>) => string;

/** A kernel source that remembers what was asked of it. */
export interface KernelLog {
  readonly source: KernelSource;
  /** Every different kernel problem so far, in the order of the first request. */
  origins(): KernelOrigin[];
}

export function logKernels(inner: KernelSource, describe: DescribeOrigin): KernelLog {
  const seen = new Map<string, KernelOrigin>();
  return {
    source: {
      kernel(family, params, dims) {
        const kernel = inner.kernel(family, params, dims);
        const sizes = Object.entries(dims).map(([name, value]) => `${name}=${value}`);
        const use = `${family}(${sizes.join(', ')})`;
        if (!seen.has(use)) seen.set(use, { use, kernel: kernel.id, origin: describe(family, params, dims) });
        return kernel;
      },
      linearFamily: (params, dims) => inner.linearFamily(params, dims),
    },
    origins: () => [...seen.values()],
  };
}
