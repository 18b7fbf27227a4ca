/** What to say on standard error when kernels ran that were not measured for their very problem on this device. */
import type { ModelConfig } from '../runtime/checkpoint/types.js';
import type { Device } from '../runtime/device/types.js';
import { describeForm, shapeDistance, type DispatchKind } from '../runtime/library/dispatch.js';
import type { KernelLibrary, Resolution } from '../runtime/library/library.js';
import { note } from './output.js';

export interface FallbackFlags {
  readonly device: string;
  readonly model?: string | undefined;
  readonly synthetic?: string | undefined;
  readonly threads?: number | undefined;
  readonly library?: string | undefined;
}

const WORDS: Readonly<Record<Exclude<DispatchKind, 'exact'>, string>> = {
  nearest: 'the nearest measured shape',
  architecture: 'a winner of another device of the same architecture',
  default: 'the default kernel',
};

/** `densities` are those that were run. Nothing is said where tuning would change nothing. */
export async function noteFallbacks(subject: { readonly config: ModelConfig; readonly device: Pick<Device, 'isa'>; readonly library: KernelLibrary }, densities: readonly number[], flags: FallbackFlags): Promise<void> {
  const fallen = subject.library.resolutions().filter(({ how }) => how !== 'exact');
  // The times of an emulated device mean nothing, so that there is nothing to gain.
  if (fallen.length === 0 || flags.device.startsWith('emulated')) return;
  const { modelProblems, dispatchDims } = await import('../tuning/problems.js');
  const { findFamily } = await import('../generator/families/index.js');
  const { isIsa } = await import('../generator/targets.js');
  const isa = isIsa(subject.device.isa) ? subject.device.isa : 'portable';
  const sparse = [...new Set(densities.filter((density) => density > 0 && density < 1))];
  // Tuning takes one density; the sparse problems of the others stay as they are.
  const [density = 0.5] = sparse;
  const tuned = modelProblems(subject.config, { isa, density }).flatMap(({ problem }) => {
    const family = findFamily(problem.family);
    return family === undefined ? [] : [{ family: problem.family, params: problem.params, dims: dispatchDims(family, problem) }];
  });
  const helped = fallen.filter(({ problem }) => tuned.some((one) => describeForm(one) === describeForm(problem) && shapeDistance(one.dims, problem.dims) === 0));
  const text = fallbackText(helped, density, flags);
  if (text !== null) note(text);
}

/** One line for what ran instead of what, one for the command that helps. Null when nothing fell back. */
export function fallbackText(fallen: readonly Pick<Resolution, 'how'>[], density: number, flags: FallbackFlags): string | null {
  const counts = (Object.keys(WORDS) as (keyof typeof WORDS)[]).flatMap((how) => {
    const count = fallen.filter((resolution) => resolution.how === how).length;
    return count === 0 ? [] : [`${count} to ${WORDS[how]}`];
  });
  if (counts.length === 0) return null;
  return `kernels: ${fallen.length} not tuned for this model on this device fell back (${counts.join(', ')})\n  try: ${tuneCommand(density, flags)}`;
}

/** The command that measures what was missing. */
export function tuneCommand(density: number, { device, model, synthetic, threads, library }: FallbackFlags): string {
  return [
    'npx griffin tune',
    `--device ${quoted(device)}`,
    ...(model === undefined ? [] : [`--model ${quoted(model)}`]),
    ...(synthetic === undefined ? [] : [`--synthetic ${quoted(synthetic)}`]),
    ...(density === 0.5 ? [] : [`--density ${density}`]),
    ...(threads === undefined ? [] : [`--threads ${threads}`]),
    ...(library === undefined ? [] : [`--library ${quoted(library)}`]),
  ].join(' ');
}

/** As a shell takes it. */
function quoted(text: string): string {
  return /^[A-Za-z0-9_./:,=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
