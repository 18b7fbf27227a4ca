import { UsageError } from '../errors.js';

/** Compute capabilities that the emulated device can have, by their name in a device spec. */
export const EMULATED_CAPABILITIES: Readonly<Record<string, number>> = { sm80: 80, sm86: 86, sm89: 89, sm90: 90, sm100: 100, sm120: 120 };

/** What `cuda:1,eager` means. */
export interface CudaSpec {
  readonly kind: 'cuda';
  /** As the caller wrote it, for messages. */
  readonly name: string;
  readonly index: number;
  /** Launches one by one instead of a graph. */
  readonly eager: boolean;
}

/** What `emulated:sm86,fast,reverse` means. */
export interface EmulatedSpec {
  readonly kind: 'emulated';
  readonly name: string;
  /** 10 × major + minor. */
  readonly capability: number;
  /** Every access is checked. */
  readonly checked: boolean;
  /** In which order threads and blocks run. */
  readonly order: 'forward' | 'reverse' | 'random';
  readonly seed: number;
  readonly eager: boolean;
}

export const CUDA_FORMS = 'cuda, cuda:<index>, cuda:<index>,eager';
export const EMULATED_FORMS =
  'emulated, emulated:<options> with any of sm80 sm86 sm89 sm90 sm100 sm120, checked fast, forward reverse random=<seed>, eager (separated by commas)';

function partsOf(detail: string | undefined, name: string, forms: string): string[] {
  if (detail === undefined) return [];
  const parts = detail.split(',');
  for (const [i, part] of parts.entries()) {
    if (part === '' || parts.indexOf(part) !== i) {
      throw new UsageError(`device ${name}: ${part === '' ? 'an option is empty' : `${part} is given twice`}, supported: ${forms}`);
    }
  }
  return parts;
}

/** Reads what follows `cuda:`. Throws UsageError naming what is supported. */
export function parseCudaSpec(detail: string | undefined): CudaSpec {
  const name = detail === undefined ? 'cuda' : `cuda:${detail}`;
  let index: number | undefined;
  let eager = false;
  for (const part of partsOf(detail, name, CUDA_FORMS)) {
    if (part === 'eager') eager = true;
    else if (/^\d{1,4}$/.test(part) && index === undefined) index = Number(part);
    else throw new UsageError(`device ${name}: ${part} is not an option, supported: ${CUDA_FORMS}`);
  }
  return { kind: 'cuda', name: `cuda:${index ?? 0}`, index: index ?? 0, eager };
}

/** Reads what follows `emulated:`. Throws UsageError naming what is supported. */
export function parseEmulatedSpec(detail: string | undefined): EmulatedSpec {
  const name = detail === undefined ? 'emulated' : `emulated:${detail}`;
  const given: { capability?: number; checked?: boolean; order?: EmulatedSpec['order']; seed?: number; eager?: true } = {};
  const set = <K extends keyof typeof given>(key: K, value: NonNullable<(typeof given)[K]>, part: string): void => {
    if (given[key] !== undefined) throw new UsageError(`device ${name}: ${part} contradicts an option before it, supported: ${EMULATED_FORMS}`);
    given[key] = value as (typeof given)[K];
  };
  for (const part of partsOf(detail, name, EMULATED_FORMS)) {
    const random = /^random=(\d{1,10})$/.exec(part);
    if (Object.hasOwn(EMULATED_CAPABILITIES, part)) set('capability', EMULATED_CAPABILITIES[part] as number, part);
    else if (part === 'checked' || part === 'fast') set('checked', part === 'checked', part);
    else if (part === 'forward' || part === 'reverse') set('order', part, part);
    else if (part === 'eager') set('eager', true, part);
    else if (random !== null) {
      set('order', 'random', part);
      set('seed', Number(random[1]), part);
    } else throw new UsageError(`device ${name}: ${part} is not an option, supported: ${EMULATED_FORMS}`);
  }
  const { capability = 90, checked = true, order = 'forward', seed = 1, eager = false } = given;
  return { kind: 'emulated', name, capability, checked, order, seed, eager };
}

/** The emulated driver's settings for a spec, as `gkEmulatedConfigure` reads them. */
export function emulatedSettings(spec: EmulatedSpec, memoryBytes: number): string {
  return `capability=${spec.capability};schedule=${spec.order};seed=${spec.seed};checked=${spec.checked ? 1 : 0};memory=${memoryBytes}`;
}
