// Runs mutated checkpoints through the loaders, and stops at the first that ends in anything but success or a typed error.
//
//     node --import ./test/runtime/native/ts-register.mjs test/fuzz/run-fuzz.ts [--from SEED] [--count N] [--corpus] [--asan]
//
// --asan does so in a child process with the sanitizer build of the addon. Prints one JSON object; the seed of the case that runs goes to
// standard error first, so that it is known where the process died.
import { mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { openCpuDevice } from '../../runtime/device/cpu.js';
import { runUnderAsan } from '../runtime/native/asan.js';
import { recipeOf } from './generate.js';
import type { Recipe } from './mutations.js';
import { runCase } from './run-case.js';

const { values } = parseArgs({
  options: { from: { type: 'string', default: '0' }, count: { type: 'string', default: '3000' }, corpus: { type: 'boolean' }, asan: { type: 'boolean' } },
});

function* cases(): Generator<[string, Recipe]> {
  if (values.corpus === true) {
    const corpus = JSON.parse(readFileSync(new URL('./corpus.json', import.meta.url), 'utf8')) as { name: string; recipe: Recipe }[];
    for (const { name, recipe } of corpus) yield [name, recipe];
  }
  const from = Number(values.from);
  for (let seed = from; seed < from + Number(values.count); seed++) yield [String(seed), recipeOf(seed)];
}

async function fuzz(): Promise<number> {
  const dir = mkdtempSync(join(tmpdir(), 'griffin-fuzz-'));
  await using device = openCpuDevice({ threads: 1 });
  const counts = { loaded: 0, refused: 0 };
  try {
    for (const [name, recipe] of cases()) {
      writeSync(2, `case ${name}\n`);
      try {
        counts[await runCase(recipe, device, join(dir, 'case'))]++;
      } catch (error) {
        console.log(JSON.stringify({ ...counts, failed: name, recipe, error: (error as Error).stack ?? String(error) }));
        return 1;
      }
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  console.log(JSON.stringify(counts));
  return 0;
}

async function fuzzUnderAsan(): Promise<number> {
  const args = process.argv.slice(2).filter((arg) => arg !== '--asan');
  const { status, stdout, stderr } = await runUnderAsan(fileURLToPath(import.meta.url), args, { timeoutMs: 24 * 3600_000 });
  process.stdout.write(stdout);
  if (status !== 0) process.stderr.write(stderr.slice(-8000));
  return status ?? 1;
}

process.exitCode = await (values.asan === true ? fuzzUnderAsan() : fuzz());
