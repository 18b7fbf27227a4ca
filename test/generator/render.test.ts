import { describe, expect, it } from 'vitest';
import { GeneratorError } from '../../generator/errors.js';
import { PRELUDE_INCLUDE, renderKernel, renderPrelude, sourceHash, viewOf } from '../../generator/render.js';
import type { Variant } from '../../generator/types.js';
import { TINY, TINY_TEMPLATE, tinyTemplates } from './tiny.js';

const variant: Variant = { family: 'tiny_scale', params: { dtype: 'bf16' }, isa: 'avx2', axes: { block: 64, unroll: 2 } };

function render(files: Record<string, string> = {}, prelude: 'inline' | 'include' = 'inline'): string {
  return renderKernel(variant, { family: TINY, templateRoot: tinyTemplates(files), prelude });
}

function failure(files: Record<string, string>): string {
  try {
    render(files);
  } catch (error) {
    expect(error).toBeInstanceOf(GeneratorError);
    expect((error as GeneratorError).code).toBe('TEMPLATE');
    return (error as Error).message;
  }
  throw new Error('rendering should have failed');
}

describe('renderKernel', () => {
  it('renders ids, arguments in declared order, helpers and the export', () => {
    const text = render();
    expect(text).toContain('// tiny_scale__bf16__avx2__block64_unroll2: y[i] = scale * x[i]\n');
    expect(text).toContain('namespace gk_tiny_scale__bf16__avx2__block64_unroll2_ns {');
    expect(text).toContain('  const gk::bf16* x;  // bf16, input: What is scaled.');
    expect(text).toContain('  const float* offset;  // f32, input, may be null: Added; null adds nothing.');
    expect(text).toContain('  float* y;  // f32, output');
    expect(text).toContain('y(static_cast<float*>(args->buffers[2])),');
    // Ints and floats are numbered apart.
    expect(text).toMatch(/n\(args->ints\[0\]\),\s+scale\(args->floats\[0\]\),\s+stride\(args->ints\[1\]\),/);
    expect(text).toContain('const gk_kernel gk_tiny_scale__bf16__avx2__block64_unroll2 = {');
    expect(text).toContain('// step 0 of 2, step 1 of 2; 32 steps');
    expect(text).toContain('#define GK_ABI_VERSION');
  });

  it('is a function of variant and templates: the same text each time, tidy', () => {
    const text = render();
    expect(render()).toBe(text);
    expect(text).not.toMatch(/\n\n\n|[ \t]\n/);
    expect(text.endsWith('}\n')).toBe(true);
    expect(sourceHash(text)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('can leave the prelude to an include, which renderPrelude fills', () => {
    const text = render({}, 'include');
    expect(text).toContain(`\n${PRELUDE_INCLUDE}\n`);
    expect(text).not.toContain('GK_TEST_PRELUDE');
    const prelude = renderPrelude('avx512', { templateRoot: tinyTemplates() });
    expect(prelude).toContain('// prelude of avx512\n');
    expect(prelude).toContain('kLanes = 16');
    expect(render()).toBe(text.replace(`${PRELUDE_INCLUDE}\n`, renderPrelude('avx2', { templateRoot: tinyTemplates() })));
  });

  const broken = (line: string) => ({ 'cpu/tiny_scale.cc.hbs': TINY_TEMPLATE.replace('// {{#repeat', `${line}\n// {{#repeat`) });

  it.each([
    ['a printed variable', '{{nonsense}}', 'nonsense'],
    ['a misspelt axis', '{{axes.blok}}', 'blok'],
    ['an argument of #if', '{{#if axes.blok}}x{{/if}}', 'blok'],
    ['an argument of a helper', '{{#if (eq params.dtyp "f32")}}x{{/if}}', 'dtyp'],
    ['an argument of a nested helper', '{{#if (and (eq isa "avx2") (not params.dtyp))}}x{{/if}}', 'dtyp'],
    ['what #each walks over', '{{#each axess}}x{{/each}}', 'axess'],
    ['a variable of the parent inside #each', '{{#each tensors}}{{lanes}}{{/each}}', 'lanes'],
    ['an unknown helper', '{{#if (equals 1 2)}}x{{/if}}', 'equals'],
  ])('refuses an unknown name as %s, naming template, line and variable', (_what, line, name) => {
    expect(failure(broken(line))).toMatch(new RegExp(`template cpu/tiny_scale\\.cc\\.hbs, line \\d+: unknown variable "${name}"`));
  });

  it('names the partial when the unknown variable is in one', () => {
    expect(failure({ 'cpu/prelude.h.hbs': '// {{isaa}}\n' })).toBe('template cpu/prelude.h.hbs, line 1: unknown variable "isaa"');
  });

  it('refuses a missing template, a missing partial, a syntax error and bad arithmetic', () => {
    expect(() => renderKernel(variant, { family: { ...TINY, cpu: { ...TINY.cpu, template: 'cpu/none.cc.hbs' } }, templateRoot: tinyTemplates() })).toThrow(/template cpu\/none\.cc\.hbs does not exist/);
    expect(failure(broken('{{> cpu/none}}'))).toMatch(/partial cpu\/none could not be found/);
    expect(failure(broken('{{#if isa}}'))).toMatch(/does not parse/);
    expect(failure(broken('{{div 7 2}}'))).toMatch(/7 is not a multiple of 2/);
    expect(failure(broken('{{add isa 1}}'))).toMatch(/helper add: avx2 is not an integer/);
  });

  it('computes with helpers', () => {
    const line = '// {{add 2 3}} {{sub 2 3}} {{mul lanes 3}} {{div lanes 4}} {{#if (lt 1 2)}}less{{/if}} {{#if (or false (ne isa "x"))}}other{{/if}} {{concat "a" isa 1}}';
    expect(render(broken(line))).toContain('// 5 -1 24 2 less other aavx21\n');
  });

  it('refuses a view that hides a standard variable', () => {
    expect(() => viewOf(variant, { ...TINY, cpu: { ...TINY.cpu, view: () => ({ lanes: 4 }) } })).toThrow(/"lanes"/);
  });
});
