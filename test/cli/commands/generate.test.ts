import { readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readExpertTrace } from '../../../runtime/griffin/expert-trace.js';
import { DEMO, griffin, TINY } from '../griffin.js';

interface Case {
  readonly prompt: readonly number[];
  readonly new_tokens: number;
  readonly dense: { readonly greedy: readonly number[]; readonly first_logits: readonly number[]; readonly last_logits: readonly number[] };
  readonly griffin: readonly { readonly density: number; readonly greedy: readonly number[]; readonly layers: readonly { readonly experts: readonly number[] }[] }[];
}
const expected = JSON.parse(readFileSync(join(TINY, 'expected.json'), 'utf8')) as { cases: Case[] };
const first = expected.cases[0]!;

interface Output {
  readonly tokenIds: number[];
  readonly text: string;
  readonly finishReason: string;
  readonly promptIds: number[];
  readonly experts?: number[][];
  readonly logits?: { first: number[]; last: number[] };
  readonly timings: Record<string, number>;
}
const parse = (stdout: string): Output => JSON.parse(stdout) as Output;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'griffin-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('griffin generate --json', () => {
  it('prints the one object of the contract for the full model', async () => {
    const args = ['generate', '--model', TINY, '--prompt-ids', first.prompt.join(','), '--density', '1', '--max-new-tokens', String(first.new_tokens), '--ignore-eos', '--dump-logits', '--json'];
    const { code, stdout } = await griffin(args);
    expect(code).toBe(0);
    expect(stdout.trimEnd()).not.toContain('\n');
    const output = parse(stdout);
    expect(output).toMatchObject({ model: TINY, device: 'cpu', density: 1, selection: 'topk', mode: 'gen', promptIds: first.prompt, finishReason: 'length' });
    expect(output.tokenIds).toEqual(first.dense.greedy);
    expect(Object.keys(output.timings).sort()).toEqual(['decodeMs', 'loadMs', 'prefillMs', 'selectMs', 'tokensPerSecond']);
    for (const [mine, theirs] of [[output.logits?.first, first.dense.first_logits], [output.logits?.last, first.dense.last_logits]] as const) {
      expect(mine).toHaveLength(theirs.length);
      expect(Math.max(...theirs.map((value, i) => Math.abs(value - (mine?.[i] ?? Number.NaN))))).toBeLessThan(2e-4);
    }
    expect(output).not.toHaveProperty('experts');
  });

  it.each(['gather', 'compact'])('selects the recorded experts and writes the recorded tokens with --ff %s', async (way) => {
    const half = first.griffin.find(({ density }) => density === 0.5)!;
    const args = ['generate', '--model', TINY, '--prompt-ids', first.prompt.join(','), '--density', '0.5', '--ff', way, '--max-new-tokens', String(first.new_tokens), '--ignore-eos', '--dump-experts', '--json'];
    const { code, stdout } = await griffin(args);
    expect(code).toBe(0);
    const output = parse(stdout);
    expect(output.experts).toEqual(half.layers.map(({ experts }) => experts));
    expect(output.tokenIds).toEqual(half.greedy);
    expect(output).not.toHaveProperty('logits');
  });
});

describe('griffin generate as text', () => {
  it('streams the same text that --json reports, with the summary on standard error', async () => {
    const args = ['generate', '--model', DEMO, '--prompt', 'Gen 1\n1 In the', '--max-new-tokens', '12', '--seed', '3', '--temperature', '0.8'];
    const plain = await griffin(args);
    const json = await griffin([...args, '--json']);
    expect([plain.code, json.code]).toEqual([0, 0]);
    const { text, tokenIds } = parse(json.stdout);
    expect(tokenIds).toHaveLength(12);
    expect(plain.stdout).toBe(text.endsWith('\n') ? text : `${text}\n`);
    expect(plain.stderr).toMatch(/12 tokens \(length\), .* tokens\/s/);
    expect(plain.stderr).toMatch(/density 0\.5: 512 of 1024 neurons/);
  });

  it('reads the prompt from a file and from standard input alike', async () => {
    const path = join(folder, 'prompt.txt');
    await writeFile(path, 'def main():\n');
    const args = ['generate', '--model', DEMO, '--max-new-tokens', '6', '--json'];
    const file = await griffin([...args, '--prompt-file', path]);
    const input = await griffin([...args, '--prompt-file', '-'], { input: 'def main():\n' });
    expect(file.code).toBe(0);
    expect(parse(file.stdout).promptIds[0]).toBe(0); // the tokenizer's <s>
    expect(parse(input.stdout).tokenIds).toEqual(parse(file.stdout).tokenIds);
  });

  it('stops at a stop text and leaves it out', async () => {
    const args = ['generate', '--model', DEMO, '--prompt', 'Gen 1\n1 In the', '--max-new-tokens', '40', '--json'];
    const whole = parse((await griffin(args)).stdout);
    const stop = whole.text.slice(10, 14);
    const cut = parse((await griffin([...args, '--stop', stop])).stdout);
    expect(cut.finishReason).toBe('stop');
    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
  });

  it('prints ids for a model without a tokenizer', async () => {
    const { code, stdout } = await griffin(['generate', '--model', TINY, '--prompt-ids', first.prompt.join(','), '--density', '1', '--max-new-tokens', '3', '--ignore-eos']);
    expect(code).toBe(0);
    expect(stdout).toBe(`${first.dense.greedy.slice(0, 3).join(',')}\n`);
  });
});

describe('wrong usage ends in 2 with a sentence', () => {
  const base = ['generate', '--model', TINY, '--prompt-ids', '3,4'];
  it.each<[string, string[], RegExp]>([
    ['no model', ['generate', '--prompt', 'a'], /--model/],
    ['no prompt', ['generate', '--model', TINY], /no prompt/],
    ['two prompts', [...base, '--prompt', 'a'], /--prompt and --prompt-ids exclude each other/],
    ['an empty prompt', ['generate', '--model', DEMO, '--prompt', ''], /prompt is empty/],
    ['no ids', ['generate', '--model', TINY, '--prompt-ids', ''], /token ids/],
    ['density 2', [...base, '--density', '2'], /share from 0/],
    ['density NaN', [...base, '--density', 'NaN'], /share from 0/],
    ['an unknown device', [...base, '--device', 'tpu'], /unknown device tpu/],
    ['an unknown instruction set', [...base, '--device', 'cpu:mmx'], /mmx/],
    ['an unknown selection', [...base, '--selection', 'best'], /topk/],
    ['an unknown mode', [...base, '--mode', 'chat'], /gen, class/],
    ['an unknown option', [...base, '--densty', '1'], /--density/],
    ['an unknown command', ['generat'], /generate/],
    ['zero new tokens', [...base, '--max-new-tokens', '0'], /at least 1/],
    ['zero threads', [...base, '--threads', '0'], /from 1/],
    ['a negative temperature', [...base, '--temperature', '-1'], /at least 0/],
    ['a record of the full model', [...base, '--density', '1', '--record-experts', 'none.jsonl'], /at --density 1 the full model runs and none are chosen/],
    ['a record of nothing', [...base, '--density', '0', '--record-experts', 'none.jsonl'], /at --density 0 none are kept/],
    ['a record of less than one neuron', [...base, '--density', '0.001', '--record-experts', 'none.jsonl'], /none of the \d+ neurons per layer are kept/],
    ['dumps without JSON', [...base, '--dump-experts'], /--json/],
    ['a chat of ids', [...base, '--chat'], /--chat needs text/],
    ['ids outside the vocabulary', ['generate', '--model', TINY, '--prompt-ids', '3,320'], /320.*outside the vocabulary/],
    ['more than the position limit', [...base, '--max-new-tokens', '1000'], /256 positions/],
  ])('%s', async (_name, args, message) => {
    const { code, stdout, stderr } = await griffin(args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});

describe('griffin generate --record-experts', () => {
  const half = first.griffin.find(({ density }) => density === 0.5)!;
  const lists = half.layers.map(({ experts }) => experts);
  const args = ['generate', '--model', TINY, '--prompt-ids', first.prompt.join(','), '--density', '0.5', '--max-new-tokens', '2', '--ignore-eos'];

  it('creates a trace and adds to it, with and without --json', async () => {
    const path = join(folder, 'experts.jsonl');
    const plain = await griffin([...args, '--record-experts', path]);
    expect(plain.code).toBe(0);
    expect(plain.stderr).toMatch(/recorded \d+ of \d+ neurons in each of \d+ layers in .*experts.jsonl/);
    const json = await griffin([...args, '--record-experts', path, '--json']);
    expect(json.code).toBe(0);
    expect(parse(json.stdout)).not.toHaveProperty('experts');
    const trace = readExpertTrace(path);
    expect(trace).toMatchObject({ model: 'llama-tiny', layers: lists.length });
    expect(trace.generations.map(({ layers }) => layers)).toEqual([lists, lists]);
  });

  it('leaves the trace of another shape of model alone', async () => {
    const path = join(folder, 'foreign.jsonl');
    const header = '{"schema":1,"kind":"expert-trace","model":"other","layers":99,"intermediate":7}\n';
    await writeFile(path, header);
    const { code, stdout, stderr } = await griffin([...args, '--record-experts', path]);
    expect(stderr).toMatch(/foreign.jsonl is the expert trace of another shape of model: it has 99 layers of 7 neurons \(other\)/);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(readFileSync(path, 'utf8')).toBe(header);
  });
});

describe('failures end in 1 with a sentence', () => {
  it('a missing model folder', async () => {
    const { code, stderr } = await griffin(['generate', '--model', join(folder, 'none'), '--prompt', 'a']);
    expect(stderr).toMatch(/none/);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(1);
  });

  it('a missing prompt file', async () => {
    const { code, stderr } = await griffin(['generate', '--model', DEMO, '--prompt-file', join(folder, 'none.txt')]);
    expect(stderr).toMatch(/prompt file cannot be read/);
    expect(code).toBe(1);
  });

  it('a truncated weight file, also as JSON', async () => {
    const broken = join(folder, 'broken');
    await cp(TINY, broken, { recursive: true });
    await truncate(join(broken, 'model.safetensors'), 100_000);
    const { code, stdout } = await griffin(['generate', '--model', broken, '--prompt-ids', '3', '--json']);
    expect(code).toBe(1);
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
    expect(['FILE', 'CHECKPOINT']).toContain(error.code);
    expect(error.message).toMatch(/model\.safetensors/);
  });

  it('a text prompt for a model without a tokenizer', async () => {
    const { code, stderr } = await griffin(['generate', '--model', TINY, '--prompt', 'hello']);
    expect(stderr).toMatch(/tokenizer/);
    expect(code).toBe(1);
  });
});

describe('Ctrl-C', () => {
  // One thread of portable kernels: slow enough to be interrupted in the middle.
  const slow = ['generate', '--model', DEMO, '--prompt', 'Gen 1\n1 In', '--density', '1', '--device', 'cpu:portable', '--threads', '1', '--max-new-tokens', '1000', '--ignore-eos'];

  it('stops cleanly with 130 and keeps the text so far', async () => {
    const { code, stdout, stderr } = await griffin(slow, { interruptWhen: (out) => out.length > 0 });
    expect(code).toBe(130);
    expect(stdout.length).toBeGreaterThan(0);
    expect(stderr).toMatch(/interrupted/);
    expect(stderr).toMatch(/tokens? \(aborted\)/);
  });
});
