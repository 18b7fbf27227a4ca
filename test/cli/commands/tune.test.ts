import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { winnersSchema } from '../../../runtime/library/schema.js';
import type { TuneReport } from '../../../tuning/report/run-report.js';
import { griffin, TINY } from '../griffin.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'griffin-tune-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('griffin tune', () => {
  it('prints one object and writes a library, even for a budget that covers the defaults only', async () => {
    const library = join(folder, 'tiny');
    const { code, stdout, stderr } = await griffin(['tune', '--model', TINY, '--budget', '1ms', '--threads', '2', '--library', library, '--json']);
    expect(stderr).toContain(`library: ${library}`);
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as TuneReport;
    expect(report).toMatchObject({ library, interrupted: false, threads: 2, budgetMs: 1 });
    expect(report.problems.every(({ winner, tried }) => winner !== null && tried === 1)).toBe(true);
    const winners = winnersSchema.parse(JSON.parse(readFileSync(join(library, 'winners.json'), 'utf8')));
    expect(winners.devices[report.device.key]?.entries).toHaveLength(report.problems.length);
    expect(winners.devices[report.device.key]?.decisions).toHaveLength(1);
    expect(existsSync(join(library, 'report.md'))).toBe(true);
  });

  it('stops cleanly on Ctrl-C: exit code 130, journal and winners so far are kept', async () => {
    const library = join(folder, 'stopped');
    const measured = (): boolean => existsSync(join(library, 'journal.jsonl')) && readFileSync(join(library, 'journal.jsonl'), 'utf8').includes('"outcome"');
    const child = griffin(['tune', '--model', TINY, '--budget', '30s', '--library', library, '--json'], { interruptWhen: (_stdout, stderr) => stderr.includes('tune:') && measured() });
    const { code, stdout } = await child;
    expect(code).toBe(130);
    const report = JSON.parse(stdout) as TuneReport;
    expect(report.interrupted).toBe(true);
    expect(readFileSync(join(library, 'journal.jsonl'), 'utf8')).toContain('"state":"ok"');
    expect(existsSync(join(library, 'report.json'))).toBe(true);
  });

  it.each<[string, string[], RegExp]>([
    ['no model', ['tune'], /--model DIR or --synthetic NAME; found neither/],
    ['two models', ['tune', '--model', TINY, '--synthetic', 'llama-2-7b'], /found both/],
    ['a budget that is no time', ['tune', '--model', TINY, '--budget', 'soon'], /length of time/],
    ['an unknown shape', ['tune', '--synthetic', 'llama-9'], /unknown shape "llama-9"/],
    ['an unknown device', ['tune', '--model', TINY, '--device', 'tpu'], /unknown device tpu/],
    ['a shard that does not exist', ['tune', '--model', TINY, '--shard', '3/2'], /i\/n with 1 ≤ i ≤ n/],
    ['a family that the model does not have', ['tune', '--model', TINY, '--families', 'linear_gemv,flash'], /no problem of the family flash/],
    ['an axis without values', ['tune', '--model', TINY, '--axes', 'span'], /name=value,value/],
    ['an unknown strategy', ['tune', '--model', TINY, '--strategy', 'luck'], /forest/],
    ['a comparison of nothing', ['tune', '--compare-strategies'], /at least one --replay FILE/],
    ['a replay without a comparison', ['tune', '--model', TINY, '--replay', 'journal.jsonl'], /belong to --compare-strategies/],
    ['a density above 1', ['tune', '--model', TINY, '--density', '2'], /from 0 .* to 1/],
  ])('refuses %s with exit code 2', async (_what, args, message) => {
    const { code, stderr } = await griffin(args);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });

  it('says which directory cannot be written', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const { code, stdout } = await griffin(['tune', '--model', TINY, '--library', join(file, 'library'), '--json']);
    expect(code).toBe(1);
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string; remedy: string } };
    expect(error.code).toBe('FILE');
    expect(error.message).toContain(join(file, 'library'));
    expect(error.remedy).toContain('--library DIR');
  });
});
