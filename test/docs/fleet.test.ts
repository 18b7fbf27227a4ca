import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../../cli/main.js';
import { packageRoot } from '../../runtime/paths.js';

const read = (name: string): string => readFileSync(join(packageRoot(), 'docs', name), 'utf8');
const SLURM = 'fleet/slurm-array.sh';
const JOB = 'fleet/kubernetes-job.yaml';

/** Every `griffin …` command of a text, as words; shell variables stand for a number. */
function commandsOf(text: string): string[][] {
  return [...text.matchAll(/npx griffin ([^\n]*)/g)].map(([, rest = '']) =>
    rest.replace(/ {2,}#.*$/, '').replaceAll(/"?\$\(\(JOB_COMPLETION_INDEX \+ 1\)\)\/4"?/g, '1/4').replaceAll(/"?\$\{SLURM_ARRAY_TASK_ID\}\/\$\{SLURM_ARRAY_TASK_COUNT\}"?/g, '1/4').replaceAll('"', '').trim().split(/\s+/),
  );
}

/** Parses words by the command line's own definitions, without running anything. */
async function parse(words: readonly string[]): Promise<void> {
  const program = buildProgram();
  const quiet = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => undefined });
    command.commands.forEach(quiet);
    if (command.commands.length === 0) command.action(() => undefined);
  };
  quiet(program);
  await program.parseAsync([...words], { from: 'user' });
}

describe('docs/fleet', () => {
  it.each(['fleet.md', SLURM, JOB])('%s names commands and options that there are', async (name) => {
    const commands = commandsOf(read(name));
    expect(commands.length).toBeGreaterThanOrEqual(2);
    for (const words of commands) await expect(parse(words), words.join(' ')).resolves.toBeUndefined();
  });

  it('is checked by a parser that knows what there is not', async () => {
    await expect(parse(['tune', '--synthetic', 'llama-2-7b', '--shards', '1/4'])).rejects.toThrow(/unknown option/);
    await expect(parse(['tune', '--synthetic', 'llama-2-7b', '--shard', '5/4'])).rejects.toThrow();
  });

  it('has shell that the shell reads, also inside the Job', () => {
    const inside = /args:\n\s+- \|\n([^]*?)\n\s+#/.exec(read(JOB))?.[1] ?? '';
    expect(inside).toContain('griffin tune');
    for (const script of [read(SLURM), inside]) expect(spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  });

  it('has a Job that is indexed, with as many parts as the command says, and indentation that YAML allows', () => {
    const text = read(JOB);
    expect(text).not.toContain('\t');
    for (const line of text.split('\n')) expect(/^ */.exec(line)![0].length % 2, line).toBe(0);
    expect(text).toMatch(/^kind: Job$/m);
    expect(text).toMatch(/^ {2}completionMode: Indexed$/m);
    expect(text).toMatch(/^ {2}completions: 4$/m);
    expect(text).toContain('/4" --library /fleet');
  });
});
