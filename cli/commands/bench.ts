/** `griffin bench`: the full model against GRIFFIN in one run, beside what the machine could do. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Option, type Command } from 'commander';
import type { ModelConfig } from '../../runtime/checkpoint/types.js';
import type { BenchOptions } from '../../runtime/bench/run.js';
import type { BenchResult } from '../../runtime/bench/result.js';
import { UsageError } from '../../runtime/errors.js';
import { packageRoot } from '../../runtime/paths.js';
import { terminalReport } from '../bench-text.js';
import { noteFallbacks } from '../fallback.js';
import { withInterrupt } from '../interrupt.js';
import { lendUtilities, loadForCommand, type DeviceFlags } from '../load.js';
import { densityList, integer } from '../options.js';
import { note, printJson, statusLine, warnBriefly } from '../output.js';
import { deviceOption, jsonOption, libraryOption, threadsOption } from '../shared-options.js';

interface BenchFlags extends DeviceFlags {
  readonly model?: string;
  readonly synthetic?: string;
  readonly layers?: number;
  readonly densities: readonly number[];
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly rounds: number;
  readonly ff: 'both' | 'gather' | 'compact';
  readonly kernels: boolean;
  readonly peer?: 'torch';
  readonly out?: string;
  readonly json: boolean;
}

export function registerBench(program: Command): void {
  program
    .command('bench')
    .description('measure the full model against GRIFFIN, interleaved, beside the measured read and compute roofs')
    .addOption(deviceOption())
    .option('--model <dir>', 'checkpoint folder')
    .option('--synthetic <name>', 'random weights of a known shape (see the end of this help) or of a config.json')
    .addOption(new Option('--layers <n>', 'with --synthetic: only the first n layers, to fit memory or time').argParser(integer(1)))
    .addOption(new Option('--densities <list>', 'shares of the neurons to keep; 1 is the full model').argParser(densityList).default([1, 0.5], '1,0.5'))
    .addOption(new Option('--prompt-tokens <n>', 'length of the prompt').argParser(integer(1)).default(128))
    .addOption(new Option('--new-tokens <n>', 'tokens of every measured generation').argParser(integer(1)).default(16))
    .addOption(new Option('--rounds <n>', 'measured rounds; every round runs every density and the read roof once').argParser(integer(1)).default(7))
    .addOption(new Option('--ff <way>', 'ways of reading the kept neurons to measure').choices(['both', 'gather', 'compact']).default('both'))
    .addOption(new Option('--peer <name>', 'measure another program on the same GPU afterwards: torch runs the full model and GRIFFIN in PyTorch').choices(['torch']))
    .option('--kernels', 'measure the gathered feed-forward kernels alone instead of whole tokens', false)
    .addOption(threadsOption())
    .addOption(libraryOption())
    .option('--out <dir>', 'folder of the reports (default: build/reports/<name> of the package)')
    .addOption(jsonOption())
    .addHelpText('after', '\nShapes: llama-2-7b, llama-2-13b, gemma-7b, mistral-7b, llama-3-8b, opt-6.7b, tinyllama-1.1b (bf16, random weights).')
    .action((flags: BenchFlags) => bench(flags));
}

async function bench(flags: BenchFlags): Promise<void> {
  if ((flags.model === undefined) === (flags.synthetic === undefined)) {
    throw new UsageError(flags.model === undefined ? 'nothing to measure; give --model DIR or --synthetic NAME' : '--model and --synthetic exclude each other; give one');
  }
  if (flags.peer !== undefined && flags.kernels) throw new UsageError('--peer measures whole tokens; leave out --kernels');
  if (flags.layers !== undefined && flags.synthetic === undefined) throw new UsageError('--layers works with --synthetic only: a checkpoint is measured whole');
  const { writeReports } = await import('../../runtime/bench/report.js');
  await withInterrupt(async (signal) => {
    const result = await withPeer(await measure(flags, signal), flags, signal);
    const paths = await writeReports(result, flags.out ?? join(packageRoot(), 'build', 'reports', reportFolder(flags)));
    note(`report: ${paths.html}\n        ${paths.markdown}\n        ${paths.json}`);
    if (flags.json) printJson(result);
    else process.stdout.write(terminalReport(result));
  });
}

async function measure(flags: BenchFlags, signal: AbortSignal): Promise<BenchResult> {
  const { benchKernels, benchModel, resolveBenchOptions } = await import('../../runtime/bench/run.js');
  const status = statusLine();
  const options: BenchOptions = {
    densities: flags.densities,
    promptTokens: flags.promptTokens,
    newTokens: flags.newTokens,
    rounds: flags.rounds,
    strategies: flags.ff === 'both' ? ['gather', 'compact'] : [flags.ff],
    signal,
    onProgress: (text) => status.update(text),
  };
  try {
    if (flags.model !== undefined && !flags.kernels) {
      await using model = await loadForCommand(flags.model, flags, signal);
      const result = await benchModel(model, 'checkpoint', options);
      await noteFallbacks(model, flags.densities, flags);
      return result;
    }
    const { openDevice } = await import('../../runtime/device/index.js');
    const { openLibrary } = await import('../../runtime/library/library.js');
    const { syntheticWeights } = await import('../../runtime/checkpoint/index.js');
    const { createModel } = await import('../../runtime/model/model.js');
    const config = await configOf(flags);
    resolveBenchOptions(config, options);
    await using device = openDevice(flags.device, flags.threads === undefined ? {} : { threads: flags.threads });
    const warnings = warnBriefly();
    const library = openLibrary(device, { ...(flags.library === undefined ? {} : { directory: flags.library }), onWarning: warnings.add });
    warnings.end();
    lendUtilities(device, library);
    const name = subjectName(flags);
    if (flags.kernels) return await benchKernels({ modelName: name, kind: 'random', device, library }, config, options);
    status.update(`filling ${name} with random weights`);
    const weights = await syntheticWeights(device, config, { seed: 1 });
    await using model = createModel({ name, deviceName: flags.device, device, library, weights });
    const result = await benchModel(model, 'random', options);
    await noteFallbacks(model, flags.densities, flags);
    return result;
  } finally {
    status.clear();
  }
}

async function configOf(flags: BenchFlags): Promise<ModelConfig> {
  const { readModelConfig, syntheticConfig } = await import('../../runtime/checkpoint/index.js');
  if (flags.synthetic === undefined) return readModelConfig(join(flags.model ?? '', 'config.json'));
  return syntheticConfig(flags.synthetic, flags.layers === undefined ? {} : { layers: flags.layers });
}

/** The peer's results beside ours. Our model is gone by then: the GPU's memory is the peer's. */
async function withPeer(result: BenchResult, flags: BenchFlags, signal: AbortSignal): Promise<BenchResult> {
  if (flags.peer === undefined) return result;
  const { runTorchPeer } = await import('../../runtime/bench/peer.js');
  const status = statusLine();
  try {
    const { results, notes } = await runTorchPeer(await configOf(flags), {
      density: flags.densities.find((density) => density < 1) ?? 0.5,
      promptTokens: flags.promptTokens,
      newTokens: flags.newTokens,
      rounds: flags.rounds,
      gpu: result.device.kind === 'cuda' ? (result.device.gpu?.index ?? 0) : null,
      signal,
      onProgress: (text) => status.update(text),
    });
    return { ...result, peers: results, notes: [...result.notes, ...notes] };
  } finally {
    status.clear();
  }
}

/** `tinyllama-1.1b`, `tinyllama-1.1b (4 layers)`, or the folder's name. */
function subjectName(flags: BenchFlags): string {
  const source = flags.synthetic ?? flags.model ?? '';
  const name = existsSync(source) ? basename(source.replace(/\/config\.json$/, '').replace(/\/+$/, '')) : source;
  return flags.layers === undefined ? name : `${name} (${flags.layers} ${flags.layers === 1 ? 'layer' : 'layers'})`;
}

function reportFolder(flags: BenchFlags): string {
  return `bench-${subjectName(flags)}${flags.kernels ? '-kernels' : ''}`.toLowerCase().replace(/[^a-z0-9._-]+/g, '-').replace(/-+$/, '');
}
