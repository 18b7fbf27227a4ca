import { Command, CommanderError } from 'commander';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { registerKernels } from '../../../cli/commands/kernels.js';
import { FAMILIES } from '../../../generator/families/index.js';
import { renderKernel } from '../../../generator/render.js';
import { defaultVariant } from '../../../generator/space.js';
import { isasOf } from '../../../generator/targets.js';
import { kernelId } from '../../../generator/ids.js';
import { UsageError } from '../../../runtime/errors.js';

afterEach(() => {
  vi.restoreAllMocks();
});

async function run(...args: string[]): Promise<string> {
  let out = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  const program = new Command('griffin');
  registerKernels(program);
  const quiet = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => undefined });
    command.commands.forEach(quiet);
  };
  quiet(program);
  await program.parseAsync(['kernels', ...args], { from: 'user' });
  return out;
}

const family = FAMILIES.find((candidate) => candidate.cpu.constraints.length > 0)!;

describe('griffin kernels list', () => {
  it('prints every family with its formula, parameters, axes and space sizes', async () => {
    const text = await run('list');
    for (const { name, summary, formula } of FAMILIES) {
      expect(text).toContain(`${name}\n    ${summary}\n    ${formula}\n`);
    }
    expect(text.match(/^ {12}portable \d+.* of \d+ variants per form$/gm)).toHaveLength(FAMILIES.length);
  });

  it('prints JSON whose counts add up', async () => {
    const { families } = JSON.parse(await run('list', '--isa', 'avx2', '--json')) as { families: { name: string; forms: { isa: string; raw: number; valid: number; default: string }[] }[] };
    expect(families.map((f) => f.name)).toEqual(FAMILIES.map((f) => f.name));
    for (const form of families.flatMap((f) => f.forms)) {
      expect(form.isa).toBe('avx2');
      expect(form.valid).toBeGreaterThan(0);
      expect(form.valid).toBeLessThanOrEqual(form.raw);
    }
  });
});

describe('griffin kernels space', () => {
  it('prints one line per form, for one instruction set and capability', async () => {
    const text = await run('space', family.name, '--isa', 'avx2');
    const lines = text.trim().split('\n');
    expect(lines.every((line) => /^\S+__avx2: \d+ of \d+ valid/.test(line))).toBe(true);
    expect(text).toMatch(new RegExp(`${family.cpu.constraints[0]!.name} \\d+ \\(\\d+\\)`));
  });

  it('counts CUDA variants for a capability, in any spelling; more fit one device than all', async () => {
    const name = 'linear_gemm';
    const valid = async (...args: string[]): Promise<number> => {
      const { forms } = JSON.parse(await run('space', name, '--isa', 'sm80', '--json', ...args)) as { forms: { valid: number }[] };
      return forms.reduce((sum, form) => sum + form.valid, 0);
    };
    const everywhere = await valid();
    expect(await valid('--capability', '80')).toBeGreaterThan(everywhere);
    expect(await valid('--capability', '8.6')).toBe(await valid('--capability', 'sm_86'));
    await expect(run('space', name, '--capability', '75')).rejects.toThrow(/too old/);
    await expect(run('space', name, '--capability', 'new')).rejects.toThrow(/Expected a compute capability/);
  });
});

describe('griffin kernels build', () => {
  it('refuses --emulated together with --isa', async () => {
    await expect(run('build', '--emulated', '--isa', 'portable')).rejects.toThrow(/exclude each other/);
  });
});

describe('griffin kernels show', () => {
  it('prints tensors, scalars, axes and constraints with their reasons', async () => {
    const text = await run('show', family.name, '--reasons');
    for (const { name, doc } of [...family.tensors, ...family.scalars, ...family.cpu.axes]) {
      expect(text).toMatch(new RegExp(`^ {4}${name} \\(`, 'm'));
      expect(text).toContain(doc);
    }
    for (const { name, reason } of family.cpu.constraints) expect(text).toContain(`    ${name}: ${reason}\n`);
    expect(text).toMatch(new RegExp(`${family.cpu.constraints[0]!.name} \\d+ \\(\\d+\\)`));
  });

  it('prints the rendered source of a variant, exactly', async () => {
    const params = Object.fromEntries(family.params.map((param) => [param.name, param.values[0]!]));
    const variant = defaultVariant({ family: family.name, params, isa: 'portable' }, { family });
    expect(await run('show', family.name, '--variant', kernelId(variant, family))).toBe(renderKernel(variant));
    expect(await run('show', family.name, '--isa', 'portable', '--source')).toBe(renderKernel(variant));
  });

  it('shows CUDA forms with axes and constraints of their own', async () => {
    const cuda = FAMILIES.find((candidate) => candidate.cuda !== undefined && candidate.cuda.constraints.length > 0)!;
    const text = await run('show', cuda.name, '--isa', 'sm80');
    expect(text).toContain(`Template (cuda)\n    templates/${cuda.cuda!.template}\n`);
    for (const { name, reason } of cuda.cuda!.constraints) expect(text).toContain(`    ${name}: ${reason}\n`);
    expect(text).not.toContain('(cpu)');
    const variant = defaultVariant({ family: cuda.name, params: Object.fromEntries(cuda.params.map((param) => [param.name, param.values[0]!])), isa: 'sm80' }, { family: cuda });
    expect(await run('show', cuda.name, '--isa', 'sm80', '--source')).toBe(renderKernel(variant));
    expect(await run('show', cuda.name, '--variant', kernelId(variant, cuda))).toBe(renderKernel(variant));
    const without = FAMILIES.find((candidate) => !isasOf(candidate).includes('sm90'))!;
    await expect(run('show', without.name, '--isa', 'sm90')).rejects.toThrow(new RegExp(`${without.name} has no form for sm90; it has: portable`));
  });

  it('refuses unknown families, malformed ids, ids of another family and unknown instruction sets as wrong usage', async () => {
    await expect(run('show', 'nope')).rejects.toBeInstanceOf(UsageError);
    await expect(run('show', 'nope')).rejects.toThrow(/unknown kernel family "nope"; there are: /);
    await expect(run('show', family.name, '--variant', 'x')).rejects.toThrow(/"x" is not a kernel id/);
    const other = FAMILIES.find((candidate) => candidate !== family && candidate.params.length === 0)!;
    const foreign = kernelId(defaultVariant({ family: other.name, params: {}, isa: 'avx2' }, { family: other }), other);
    await expect(run('show', family.name, '--variant', foreign)).rejects.toThrow(new RegExp(`is a kernel of ${other.name}, not of ${family.name}`));
    await expect(run('list', '--isa', 'sse')).rejects.toBeInstanceOf(CommanderError);
  });
});
