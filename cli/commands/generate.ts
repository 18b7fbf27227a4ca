/** `griffin generate`: a prompt in, text out, as it comes. */
import { Option, type Command } from 'commander';
import { AbortedError, UsageError } from '../../runtime/errors.js';
import { GENERATE_DEFAULTS as DEFAULTS, type GenerateOptions } from '../../runtime/generate/options.js';
import { SELECTIONS, type Selection } from '../../runtime/griffin/selection.js';
import type { GenerateResult, Model } from '../../runtime/model/model.js';
import { bytesText, significant } from '../../runtime/bench/format.js';
import { workersText } from '../../runtime/bench/machine.js';
import { noteFallbacks } from '../fallback.js';
import { withInterrupt } from '../interrupt.js';
import { loadForCommand } from '../load.js';
import { collect, density, integer, real, tokenIds } from '../options.js';
import { note, printJson } from '../output.js';
import { expertRecorder, requireSelection } from '../record-experts.js';
import { readPrompt, requireOnePrompt, type PromptFlags } from '../prompt.js';
import { deviceOption, jsonOption, libraryOption, threadsOption } from '../shared-options.js';

interface GenerateFlags extends PromptFlags {
  readonly model: string;
  readonly device: string;
  readonly density: number;
  readonly selection: Selection;
  readonly mode: 'gen' | 'class';
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly minP: number;
  readonly repetitionPenalty: number;
  readonly stop?: readonly string[];
  readonly seed: number;
  readonly ignoreEos: boolean;
  readonly threads?: number;
  readonly library?: string;
  readonly ff: 'auto' | 'gather' | 'compact';
  readonly dumpExperts: boolean;
  readonly dumpLogits: boolean;
  readonly recordExperts?: string;
  readonly json: boolean;
}

export function registerGenerate(program: Command): void {
  program
    .command('generate')
    .description('generate text from a prompt with the full model (--density 1) or with GRIFFIN')
    .requiredOption('--model <dir>', 'checkpoint: a folder with config.json, safetensors and tokenizer.json')
    .option('--prompt <text>', 'the prompt')
    .option('--prompt-file <file>', 'read the prompt from a file; - is standard input')
    .addOption(new Option('--prompt-ids <ids>', 'the prompt as token ids, used as given, e.g. 5,9,2').argParser(tokenIds))
    .option('--chat', 'treat the prompt as the user’s turn and apply the model’s chat template', false)
    .addOption(deviceOption())
    .addOption(new Option('--density <share>', 'share of the feed-forward neurons kept after the prompt; 1 is the full model, 0 drops the blocks').argParser(density).default(DEFAULTS.density))
    .addOption(new Option('--selection <how>', 'how the kept neurons are chosen; topk is the paper’s method').choices(SELECTIONS).default(DEFAULTS.selection))
    .addOption(
      new Option('--mode <mode>', 'gen: prompt dense, new tokens sparse; class: the prompt’s last token sparse, one token out').choices(['gen', 'class']).default(DEFAULTS.mode),
    )
    .addOption(new Option('--ff <way>', 'read kept neurons in place (gather) or pack them first (compact); auto: what was measured').choices(['auto', 'gather', 'compact']).default(DEFAULTS.strategy))
    .addOption(new Option('--max-new-tokens <n>', 'generate at most this many tokens').argParser(integer(1)).default(DEFAULTS.maxNewTokens))
    .addOption(new Option('--temperature <t>', 'sampling temperature; 0 takes the most likely token').argParser(real(0, Number.MAX_VALUE)).default(DEFAULTS.temperature))
    .addOption(new Option('--top-k <k>', 'sample among the k most likely tokens; 0 is off').argParser(integer(0, 2 ** 31 - 1)).default(DEFAULTS.topK))
    .addOption(new Option('--top-p <p>', 'sample among the tokens that together have this probability; 1 is off').argParser(real(0, 1, { openMin: true })).default(DEFAULTS.topP))
    .addOption(new Option('--min-p <p>', 'drop tokens below this share of the best probability; 0 is off').argParser(real(0, 1)).default(DEFAULTS.minP))
    .addOption(
      new Option('--repetition-penalty <x>', 'make tokens that were seen less likely; 1 is off').argParser(real(0, Number.MAX_VALUE, { openMin: true })).default(DEFAULTS.repetitionPenalty),
    )
    .addOption(new Option('--stop <text>', 'end at this text, which is not printed; may be given several times').argParser(collect))
    .addOption(new Option('--seed <n>', 'seed of sampling and of drawn experts').argParser(integer(0)).default(DEFAULTS.seed))
    .option('--ignore-eos', 'go on past end-of-sequence tokens', false)
    .addOption(threadsOption())
    .addOption(libraryOption())
    .option('--dump-experts', 'with --json: the kept neurons of every layer', false)
    .option('--dump-logits', 'with --json: the first and the last logits', false)
    .option('--record-experts <file>', 'add the kept neurons of every layer to this trace, an input of griffin tune --experts')
    .addOption(jsonOption())
    .action((flags: GenerateFlags) => generate(flags));
}

async function generate(flags: GenerateFlags): Promise<void> {
  checkCombinations(flags);
  const prompt = await readPrompt(flags);
  await withInterrupt(async (signal) => {
    await using model = await loadForCommand(flags.model, flags, signal);
    if (signal.aborted) throw new AbortedError('interrupted while the model was loading');
    const recorder = flags.recordExperts === undefined ? null : expertRecorder(flags.recordExperts, model, flags.density);
    const result = await stream(model, prompt, { ...generateOptions(flags), signal }, flags.json);
    if (flags.json) printJson(flags.dumpExperts ? result : withoutExperts(result));
    else note(summary(model, result, flags));
    await noteFallbacks(model, [result.density], flags);
    if (recorder !== null) note(recorder.record(result));
  });
}

/** Options that contradict each other or would silently do nothing. */
function checkCombinations(flags: GenerateFlags): void {
  requireOnePrompt(flags);
  if (flags.recordExperts !== undefined) requireSelection(flags.density);
  for (const [name, on] of [['--dump-experts', flags.dumpExperts], ['--dump-logits', flags.dumpLogits]] as const) {
    if (on && !flags.json) throw new UsageError(`${name} adds to the JSON object; give --json too`);
  }
  if (flags.temperature > 0 || flags.json) return;
  const idle = [
    flags.topK !== DEFAULTS.topK ? '--top-k' : null,
    flags.topP !== DEFAULTS.topP ? '--top-p' : null,
    flags.minP !== DEFAULTS.minP ? '--min-p' : null,
  ].filter((name) => name !== null);
  if (idle.length > 0) note(`${idle.join(', ')} ${idle.length === 1 ? 'has' : 'have'} no effect at --temperature 0`);
}

function generateOptions(flags: GenerateFlags): GenerateOptions {
  const { maxNewTokens, density: share, selection, mode, temperature, topK, topP, minP, repetitionPenalty, seed, ignoreEos, dumpExperts, dumpLogits } = flags;
  return {
    maxNewTokens,
    density: share,
    selection,
    mode,
    strategy: flags.ff,
    temperature,
    topK,
    topP,
    minP,
    repetitionPenalty,
    seed,
    stop: flags.stop ?? [],
    ignoreEos,
    dumpExperts: dumpExperts || flags.recordExperts !== undefined,
    dumpLogits,
  };
}

/** They are printed only where `--dump-experts` asks for them. */
function withoutExperts({ experts: _, ...result }: GenerateResult): GenerateResult {
  return result;
}

/** Generates; without `quiet` the text goes to standard output as it comes. A model without tokenizer prints its ids. */
async function stream(model: Model, prompt: Parameters<Model['generate']>[0], options: GenerateOptions, quiet: boolean): Promise<GenerateResult> {
  const pieces = model.generate(prompt, options);
  let endsWithNewline = true;
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) {
      if (!quiet && !endsWithNewline) process.stdout.write('\n');
      return next.value;
    }
    const { text, tokenId, index } = next.value;
    const shown = model.tokenizer === null ? `${index === 0 ? '' : ','}${tokenId}` : text;
    if (quiet || shown === '') continue;
    process.stdout.write(shown);
    endsWithNewline = shown.endsWith('\n');
  }
}

/** One line: how fast, how much of the model, whose kernels. */
export function summary(model: Model, result: GenerateResult, flags: Pick<GenerateFlags, 'ff'>): string {
  const { timings, tokenIds: ids, promptIds } = result;
  const kept = Math.floor(model.config.intermediateSize * result.density);
  const neurons =
    result.density === 1 ? 'full model' : `density ${result.density}: ${kept} of ${model.config.intermediateSize} neurons per layer, ${result.selection}${flags.ff === 'auto' ? '' : `, ${flags.ff}`}`;
  const origins = new Map<string, number>();
  for (const { how } of model.library.resolutions()) origins.set(how, (origins.get(how) ?? 0) + 1);
  const kernels = [...origins].map(([how, count]) => `${count} ${how}`).join(', ');
  const tuned = model.library.winners > 0 ? `library ${model.library.directory}` : 'nothing tuned for this device';
  return [
    `\n${ids.length} ${ids.length === 1 ? 'token' : 'tokens'} (${result.finishReason}), ${significant(timings.tokensPerSecond, 3)} tokens/s after a prompt of ${promptIds.length} in ${significant(timings.prefillMs, 3)} ms; ${neurons}`,
    `${model.device.name}, ${model.device.isa}, ${workersText({ threads: model.device.threads, multiprocessors: model.device.gpu?.multiprocessors })}; kernels: ${kernels} (${tuned}); weights ${bytesText(model.weightBytes)}, loaded in ${significant(timings.loadMs, 3)} ms`,
  ].join('\n');
}

