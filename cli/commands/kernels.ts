/** `griffin kernels`: what kernels there are, their source, and the commands that write and compile the default ones. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { limitsOf } from '../../generator/capabilities.js';
import { GeneratorError } from '../../generator/errors.js';
import { FAMILIES } from '../../generator/families/index.js';
import { kernelId, parseKernelId, requireFamily } from '../../generator/ids.js';
import { paramSets } from '../../generator/forms.js';
import { renderKernel } from '../../generator/render.js';
import { defaultVariant, validate } from '../../generator/space.js';
import { isasOf, isCpuIsa, isIsa } from '../../generator/targets.js';
import { CPU_ISAS, ISAS, type Family, type Isa, type Variant } from '../../generator/types.js';
import { LibraryError, UsageError } from '../../runtime/errors.js';
import { generatedDirectory } from '../../runtime/library/manifest.js';
import { machineFacts } from '../doctor/machine.js';
import { withInterrupt } from '../interrupt.js';
import { describeFamily, listText, showText, spaceText, type FamilyDescription } from '../kernels/describe.js';
import { integer } from '../options.js';

export function registerKernels(program: Command): void {
  const kernels = program.command('kernels').description('kernel families, their tuning spaces and sources; compile the default kernels');

  kernels
    .command('list')
    .description('print every kernel family with its parameters, tuning axes and space sizes')
    .option('--isa <name>', `only this instruction set (${ISAS.join(', ')})`, isaOption)
    .option('--capability <n>', CAPABILITY, capabilityOption)
    .option('--json', 'print one JSON object', false)
    .action((options: SpaceOptions & { json: boolean }) => {
      const families = FAMILIES.filter((family) => options.isa === undefined || isasOf(family).includes(options.isa)).map((family) => described(family, options));
      process.stdout.write(options.json ? `${JSON.stringify({ families })}\n` : listText(families));
    });

  kernels
    .command('show')
    .description('print one family: tensors, scalars, axes, constraints with reasons, space sizes; or the rendered source of a variant')
    .argument('<family>', 'family name, as `griffin kernels list` prints it')
    .option('--isa <name>', `instruction set (${ISAS.join(', ')}; default: all, for --source the best of this CPU)`, isaOption)
    .option('--variant <id>', 'print the rendered source of this kernel id')
    .option('--source', 'print the rendered source of a default variant', false)
    .option('--capability <n>', CAPABILITY, capabilityOption)
    .option('--reasons', 'print how many variants each constraint excludes in every form', false)
    .option('--json', 'print one JSON object', false)
    .action((name: string, options: ShowOptions) => asUsage(() => show(name, options)));

  kernels
    .command('space')
    .description('print the space of every form of one family: valid variants, and how many each constraint excludes (in brackets: it alone)')
    .argument('<family>', 'family name, as `griffin kernels list` prints it')
    .option('--isa <name>', `only this instruction set (${ISAS.join(', ')})`, isaOption)
    .option('--capability <n>', CAPABILITY, capabilityOption)
    .option('--json', 'print one JSON object', false)
    .action((name: string, options: SpaceOptions & { json: boolean }) =>
      asUsage(() => {
        const { forms, ...family } = described(requireFamily(name), options, true);
        process.stdout.write(options.json ? `${JSON.stringify({ family: family.name, forms })}\n` : spaceText({ ...family, forms }));
      }),
    );

  kernels
    .command('build')
    .description("compile the default kernels for this CPU's instruction sets into build/kernels/; does nothing when they are up to date")
    .option('--isa <name...>', `only these instruction sets (${CPU_ISAS.join(', ')})`, isaListOption)
    .option('--emulated', 'compile the CUDA kernels for the emulated device instead', false)
    .option('--jobs <n>', 'compilers at a time (default: the number of cores)', integer(1))
    .option('--json', 'print one JSON object', false)
    .action((options: BuildCommandOptions) => build(options));

  kernels
    .command('fatbins')
    .description('compile the default CUDA kernels with nvcc for every supported compute capability into generated/cuda/; fails when one warns or spills')
    .option('--jobs <n>', 'compilers at a time (default: the number of cores)', integer(1))
    .option('--json', 'print one JSON object', false)
    .action((options: { jobs?: number; json: boolean }) => fatbins(options));

  kernels
    .command('generate')
    .description('write default sources, manifest and launchers into generated/ and print what changed')
    .option('--check', 'write nothing; fail when generated/ is not what the families and templates give', false)
    .action((options: { check: boolean }) => generate(options.check));
}

const CAPABILITY = 'count CUDA variants for this compute capability, e.g. 86 (default: those that fit every device of the instruction set)';

interface SpaceOptions {
  readonly isa?: Isa;
  readonly capability?: number;
}

/** Throws a UsageError when the family has no form for the instruction set that was asked for. */
function described(family: Family, { isa, capability }: SpaceOptions, exclusions = false): FamilyDescription {
  requireIsa(family, isa);
  return describeFamily(family, isa === undefined ? ISAS : [isa], { exclusions, ...(capability === undefined ? {} : { capability }) });
}

function requireIsa(family: Family, isa: Isa | undefined): void {
  if (isa !== undefined && !isasOf(family).includes(isa)) throw new UsageError(`${family.name} has no form for ${isa}; it has: ${isasOf(family).join(', ')}`);
}

interface ShowOptions extends SpaceOptions {
  readonly variant?: string;
  readonly source: boolean;
  readonly reasons: boolean;
  readonly json: boolean;
}

function show(name: string, options: ShowOptions): void {
  const family = requireFamily(name);
  if (options.variant !== undefined || options.source) {
    const variant = options.variant === undefined ? defaultOf(family, options.isa) : variantOf(family, options.variant);
    const source = renderKernel(variant, { family });
    process.stdout.write(options.json ? `${JSON.stringify({ id: kernelId(variant, family), source })}\n` : source);
    return;
  }
  const description = described(family, options, options.reasons);
  process.stdout.write(options.json ? `${JSON.stringify(description)}\n` : showText(description, options));
}

function defaultOf(family: Family, isa: Isa | undefined): Variant {
  requireIsa(family, isa);
  const best = machineFacts(0).isas.filter(isCpuIsa).at(-1);
  return defaultVariant({ family: family.name, params: paramSets(family)[0] ?? {}, isa: isa ?? best ?? 'portable' }, { family });
}

function variantOf(family: Family, id: string): Variant {
  const variant = parseKernelId(id);
  if (variant.family !== family.name) throw new UsageError(`--variant ${id} is a kernel of ${variant.family}, not of ${family.name}`);
  const wrong = validate(variant, { family });
  if (wrong.length > 0) throw new UsageError(`--variant ${id} is outside the space:\n${wrong.map((v) => `  ${v.name}: ${v.reason}`).join('\n')}`);
  return variant;
}

interface BuildCommandOptions {
  readonly emulated: boolean;
  readonly isa?: readonly Isa[];
  readonly jobs?: number;
  readonly json: boolean;
}

async function build(options: BuildCommandOptions): Promise<void> {
  const { buildDefaultKernels } = await import('../../tuning/default-kernels.js');
  if (options.emulated && options.isa !== undefined) throw new UsageError('--emulated and --isa exclude each other: the emulated device has both flavours of one instruction set');
  const started = performance.now();
  const mine = machineFacts(0).isas;
  const foreign = options.isa?.filter((isa) => !mine.includes(isa)) ?? [];
  if (foreign.length > 0) throw new UsageError(`this CPU cannot run ${foreign.join(', ')}; it has: ${mine.join(', ')}`);
  const terminal = process.stderr.isTTY;
  const report = await withInterrupt((signal) =>
    buildDefaultKernels({
      isas: options.isa ?? mine,
      emulated: options.emulated,
      signal,
      ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
      onProgress: ({ done, total }) => {
        if (terminal) process.stderr.write(`\rcompiling kernels ${done}/${total}${done === total ? '\n' : ''}`);
      },
    }),
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const perTarget = report.targets.map((target) => `${target} ${(report.index.isas[target] ?? []).reduce((sum, object) => sum + object.kernels.length, 0)}`);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...report, seconds: Number(seconds) })}\n`);
  else process.stdout.write(`default kernels: ${perTarget.join(', ')}; ${report.compiled === 0 ? 'up to date' : `${report.compiled} objects compiled in ${seconds} s`}\n`);
}

async function fatbins(options: { readonly jobs?: number; readonly json: boolean }): Promise<void> {
  const { compileFatbins, publishFatbins } = await import('../../tuning/cuda/fatbins.js');
  const started = performance.now();
  const terminal = process.stderr.isTTY;
  const compiled = await withInterrupt((signal) =>
    compileFatbins({
      signal,
      ...(options.jobs === undefined ? {} : { jobs: options.jobs }),
      onProgress: ({ done, total }) => {
        if (terminal) process.stderr.write(`\rcompiling families ${done}/${total}${done === total ? '\n' : ''}`);
      },
    }),
  );
  const { written, deleted, bytes } = await publishFatbins(compiled);
  const seconds = Number(((performance.now() - started) / 1000).toFixed(1));
  const kernels = compiled.families.reduce((sum, family) => sum + Object.keys(family.sources).length, 0);
  const summary = { families: compiled.families.length, kernels, capabilities: compiled.capabilities, bytes, written, deleted, compiler: compiled.compiler, seconds };
  if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else {
    const changes = written.length + deleted.length === 0 ? 'up to date' : `${written.length} written, ${deleted.length} deleted in ${seconds} s`;
    process.stdout.write(`CUDA kernels: ${kernels} in ${summary.families} fatbins for ${compiled.capabilities.join(', ')}; ${(bytes / 1024).toFixed(0)} KiB; ${changes}\n`);
  }
}

async function generate(check: boolean): Promise<void> {
  // Loaded here because ts-morph brings the TypeScript compiler with it.
  const { compareGenerated, firstDifference, generatedFiles, writeGenerated } = await import('../../generator/generate.js');
  const directory = generatedDirectory();
  const files = generatedFiles();
  const changes = check ? compareGenerated(directory, files) : writeGenerated(directory, files);
  const lines = [
    ...changes.added.map((path) => `added    ${path}`),
    ...changes.changed.map((path) => `changed  ${path}`),
    ...changes.stale.map((path) => `${check ? 'stale  ' : 'deleted'}  ${path}`),
  ];
  if (!check || lines.length === 0) {
    process.stdout.write(`${[...lines, `generated: ${files.size} files, ${changes.unchanged} unchanged`].join('\n')}\n`);
    return;
  }
  const first = changes.changed[0];
  const detail = first === undefined ? '' : `\n${first} (on disk, then generated):\n${firstDifference(readFileSync(join(directory, first), 'utf8'), files.get(first) ?? '')}`;
  throw new LibraryError(`generated/ is not what the families and templates give:\n${lines.join('\n')}${detail}`, { remedy: 'npm run generate' });
}

function isaOption(text: string): Isa {
  if (isIsa(text)) return text;
  throw new InvalidArgumentError(`Expected one of ${ISAS.join(', ')}.`);
}

/** 86, 8.6 and sm_86 are one capability. */
function capabilityOption(text: string): number {
  const digits = /^(?:sm_?)?(\d+?)\.?(\d)$/.exec(text);
  if (digits === null) throw new InvalidArgumentError('Expected a compute capability, e.g. 86 or 8.6.');
  const capability = Number(`${digits[1]}${digits[2]}`);
  try {
    limitsOf(capability);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return capability;
}

function isaListOption(text: string, previous: readonly Isa[] | undefined): readonly Isa[] {
  return [...(previous ?? []), isaOption(text)];
}

/** An id or name that the user typed wrong is wrong usage. */
function asUsage<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof GeneratorError && error.code === 'ID') throw new UsageError(error.message, { remedy: 'griffin kernels list', cause: error });
    throw error;
  }
}
