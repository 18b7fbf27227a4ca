/**
 * `npm run demo`: tunes this CPU briefly for the demo model, then writes on from a chapter the model has never seen, with the full model
 * and with GRIFFIN at half the neurons, side by side.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pairedRatio, median } from '../runtime/bench/rounds.js';
import { bytesText, significant, times } from '../runtime/bench/format.js';
import type { BenchResult } from '../runtime/bench/result.js';
import { AbortedError } from '../runtime/errors.js';
import type { GenerateOptions } from '../runtime/generate/options.js';
import type { GenerateResult, Model } from '../runtime/model/model.js';
import type { TuneReport } from '../tuning/report/run-report.js';
import { packageRoot } from '../runtime/paths.js';
import { sideBySide, wrap } from './columns.js';
import { withInterrupt } from './interrupt.js';
import { loadForCommand } from './load.js';
import { statusLine } from './output.js';
import { exitCodeOf, reportError } from './report-error.js';

const MODEL = 'models/demo-llama-7m';
const DENSITY = 0.5;
const TUNE_BUDGET = '20s';
const PROMPT_TOKENS = 256;
const NEW_TOKENS = 120;
const ROUNDS = 9;
/** Sampled, because the likeliest words of so small a model go round in circles; both sides with the same seed. */
const SAMPLING = { temperature: 0.7, topP: 0.9, seed: 3 } as const;

/** What happens in which order; `say` prints a line, `status` a line that is overwritten. */
async function demo(signal: AbortSignal): Promise<void> {
  const root = packageRoot();
  const say = (text = ''): void => void process.stdout.write(`${text}\n`);
  const shown = (path: string): string => relative(process.cwd(), path) || '.';
  const library = join(root, 'build', 'demo-library');

  say(`\n1. Tuning this CPU for ${MODEL}, ${TUNE_BUDGET}: kernel variants are compiled, checked against a reference and timed.`);
  say(`   ${await tune(root, library, signal)}`);

  await using model = await loadForCommand(join(root, MODEL), { device: 'cpu', library }, signal);
  const prompt = await unseenPrompt(model, join(root, MODEL, 'eval-kjv.txt'));
  const promptIds = model.promptIds(prompt);
  say(`\n2. Generating ${NEW_TOKENS} tokens after ${promptIds.length} tokens of scripture that the model was not trained on, ${ROUNDS} times each way, in turn.`);
  const runs = await generateBoth(model, prompt, signal);

  const reportFolder = join(root, 'build', 'reports', 'demo');
  const { benchModel } = await import('../runtime/bench/run.js');
  const { writeReports } = await import('../runtime/bench/report.js');
  const status = statusLine();
  const result = await benchModel(model, 'checkpoint', { densities: [1, DENSITY], promptIds, newTokens: 32, rounds: 9, signal, onProgress: (text) => status.update(`   report: ${text}`) });
  status.clear();
  const paths = await writeReports({ ...result, name: 'GRIFFIN demo' }, reportFolder);
  printResults(model, prompt, runs, result, say);
  say(`Report: ${shown(paths.html)}  (also report.md, report.json; device time, every kernel)`);
  say(`Try:    npx griffin generate --model ${MODEL} --library ${shown(library)} --prompt "def main():"`);
}

/** Runs `griffin tune` as a user would, its progress shown as it comes; resolves with what it found in one line. */
async function tune(root: string, library: string, signal: AbortSignal): Promise<string> {
  const args = [join(root, 'cli', 'griffin.mjs'), 'tune', '--device', 'cpu', '--model', join(root, MODEL), '--budget', TUNE_BUDGET, '--library', library, '--json'];
  // Same process group: Ctrl-C reaches the tuner too, which then stops cleanly by itself.
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise<number>((resolve) => {
    child.once('error', () => resolve(1));
    child.once('close', (status) => resolve(status ?? 1));
  });
  if (signal.aborted) throw new AbortedError('interrupted');
  if (code !== 0) return 'Tuning did not finish (above); the demo goes on with what there is.';
  return tuningSummary(JSON.parse(output) as TuneReport);
}

function tuningSummary({ problems, outcomes, elapsedMs }: TuneReport): string {
  const checked = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  const faster = problems.filter(({ speedUp }) => (speedUp ?? 1) > 1);
  const best = [...faster].sort((x, y) => (y.speedUp ?? 0) - (x.speedUp ?? 0))[0];
  const gain = best === undefined ? 'the default kernels stay' : `${faster.length} beat their default, most of all ${best.label} (${times(best.speedUp)})`;
  return `${problems.length} kernel problems, ${checked} new variants tried in ${Math.round(elapsedMs / 1000)} s: ${gain}.`;
}

/** The beginning of the text, as many whole tokens as {@link PROMPT_TOKENS}. */
async function unseenPrompt(model: Model, path: string): Promise<string> {
  const text = await readFile(path, 'utf8');
  let end = text.length;
  // Whole lines while they fit: a verse is a line.
  for (let next = 0; next < text.length; ) {
    next = text.indexOf('\n', next) + 1 || text.length;
    if (model.promptIds(text.slice(0, next)).length > PROMPT_TOKENS) break;
    end = next;
  }
  return text.slice(0, end);
}

interface Runs {
  readonly full: GenerateResult;
  readonly griffin: GenerateResult;
  readonly fullMs: readonly number[];
  readonly griffinMs: readonly number[];
}

/** Alternates, so that a busy machine slows both; the first pair warms up and is not counted. */
async function generateBoth(model: Model, prompt: string, signal: AbortSignal): Promise<Runs> {
  const options: GenerateOptions = { ...SAMPLING, maxNewTokens: NEW_TOKENS, ignoreEos: true, signal };
  const status = statusLine();
  const fullMs: number[] = [];
  const griffinMs: number[] = [];
  let full = await model.generateText(prompt, { ...options, density: 1 });
  let griffin = await model.generateText(prompt, { ...options, density: DENSITY, dumpExperts: true });
  for (let round = 1; round <= ROUNDS; round++) {
    status.update(`   round ${round} of ${ROUNDS}`);
    full = await model.generateText(prompt, { ...options, density: 1 });
    griffin = await model.generateText(prompt, { ...options, density: DENSITY, dumpExperts: true });
    if (signal.aborted) throw new AbortedError('interrupted');
    fullMs.push(full.timings.decodeMs / (NEW_TOKENS - 1));
    griffinMs.push(griffin.timings.decodeMs / (NEW_TOKENS - 1));
  }
  status.clear();
  return { full, griffin, fullMs, griffinMs };
}

function printResults(model: Model, prompt: string, runs: Runs, result: BenchResult, say: (text?: string) => void): void {
  const width = Math.min(process.stdout.columns || 100, 132);
  const { config } = model;
  const kept = runs.griffin.experts?.[0]?.length ?? 0;
  const left = { heading: `full model, ${rate(runs.fullMs)} tokens/s`, text: runs.full.text };
  const right = { heading: `GRIFFIN, density ${DENSITY}, ${rate(runs.griffinMs)} tokens/s`, text: runs.griffin.text };
  say(`\nThe end of the prompt:\n${wrap(prompt.trimEnd().split('\n').slice(-2).join('\n'), width).map((line) => `  ${line}`).join('\n')}\n`);
  if (process.stdout.isTTY && width >= 60) say(sideBySide(left, right, width));
  else say([left, right].map(({ heading, text }) => `${heading}\n${'─'.repeat(heading.length)}\n${wrap(text, width).join('\n')}`).join('\n\n'));

  const speedup = pairedRatio(runs.fullMs, runs.griffinMs);
  say(`\nSpeed-up ${times(speedup.median)} (± ${speedup.mad.toFixed(2)}, ${ROUNDS} pairs of generations, decode time, median).`);
  if (speedup.mad > 0.1 * speedup.median) say('The pairs differ widely: something else was using the cores, so take this number with care.');
  say(`Experts: ${kept} of ${config.intermediateSize} neurons in each of the ${config.layers} layers, chosen by this prompt; ${significant(runs.griffin.timings.selectMs, 2)} ms to choose.`);
  for (const [layer, experts] of (runs.griffin.experts ?? []).entries()) say(`  layer ${layer}: ${experts.slice(0, 10).join(' ')} … ${experts.slice(-2).join(' ')}`);
  const cache = result.device.cacheBytes;
  say(
    wrap(
      `\nWhat this number means: the model is tiny. Its ${bytesText(model.weightBytes)} of weights ${model.weightBytes < cache ? `sit in the last-level cache (${bytesText(cache)})` : 'are small'}, ` +
        'so hardly anything is read from memory, and fewer bytes are not what decides; the figure above says little about a large model. ' +
        'GRIFFIN is for weights that come from memory for every token. See that case on this machine, at the size of a real model with random weights (2.2 GB):',
      width,
    ).join('\n'),
  );
  say('  npx griffin bench --synthetic tinyllama-1.1b\n');
}

function rate(msPerToken: readonly number[]): string {
  return significant(1000 / median(msPerToken), 3);
}

try {
  const started = performance.now();
  await withInterrupt(demo);
  process.stdout.write(`Done in ${Math.round((performance.now() - started) / 1000)} s.\n`);
} catch (error) {
  reportError(error, { json: false, quiet: false });
  process.exitCode = exitCodeOf(error);
}
