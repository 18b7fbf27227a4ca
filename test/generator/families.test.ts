import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FAMILIES } from '../../generator/families/index.js';
import { defaultKernels, formsOf, paramSets } from '../../generator/forms.js';
import { kernelId } from '../../generator/ids.js';
import { renderKernel } from '../../generator/render.js';
import { defaultVariant, sample, validate } from '../../generator/space.js';
import { defaultTemplateRoot } from '../../generator/templates.js';
import { isasOf, isCpuIsa, targetOf } from '../../generator/targets.js';
import { WEIGHT_DTYPES, type Family, type Target, type Variant } from '../../generator/types.js';
import { seededRandom, TINY } from './tiny.js';

/** What must hold for any family's data, whatever it computes. */
const cases = [TINY, ...FAMILIES].map((family) => [family.name, family] as const);
const CPP_WORDS = new Set('asm auto bool break case catch char class const continue default delete do double else enum explicit export extern float for friend goto if inline int long namespace new operator private protected public register return short signed sizeof static struct switch template this throw try typedef typename union unsigned using virtual void volatile while'.split(' '));

function expectDistinct(names: readonly string[]): void {
  expect(new Set(names).size).toBe(names.length);
}

it('the registry holds each name once', () => {
  expectDistinct(FAMILIES.map((family) => family.name));
});

describe.each(cases)('%s', (_name, family) => {
  it('has names that ids, C++ and TypeScript can carry', () => {
    expect(family.name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
    for (const axis of targetsOf(family).flatMap((target) => target.axes)) expect(axis.name).toMatch(/^[a-z]+$/);
    for (const param of family.params) for (const value of param.values) expect(value).toMatch(/^[a-z0-9]+$/);
    const members = [...family.tensors, ...family.scalars].map((member) => member.name);
    expectDistinct([...members, 'workspace']); // they share struct Args
    for (const name of members) {
      expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/);
      expect(CPP_WORDS.has(name), `${name} is a C++ keyword`).toBe(false);
    }
    expectDistinct(family.dims.map((dim) => dim.name));
    for (const target of targetsOf(family)) {
      expectDistinct(target.axes.map((axis) => axis.name));
      expectDistinct(target.constraints.map((constraint) => constraint.name));
    }
  });

  it('documents everything', () => {
    for (const text of [family.summary, family.formula, family.source]) expect(text.trim()).not.toBe('');
    expect(family.summary).toMatch(/\.$/);
    for (const part of [...family.params, ...family.dims, ...family.tensors, ...family.scalars, ...targetsOf(family).flatMap((target) => target.axes)]) {
      expect(part.doc.trim().length, `doc of ${part.name}`).toBeGreaterThan(2);
    }
    for (const { name, reason } of targetsOf(family).flatMap((target) => target.constraints)) expect(reason, `reason of ${name}`).toMatch(/^(\S+\s+){4,}\S+$/);
  });

  it('has axes of distinct ascending values', () => {
    for (const axis of targetsOf(family).flatMap((target) => target.axes)) {
      expect(axis.values.length).toBeGreaterThan(0);
      expect([...axis.values].sort((a, b) => a - b)).toEqual([...new Set(axis.values)]);
      for (const value of axis.values) expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
    }
  });

  it('has axes that each change the kernel: for some variant, another value gives another source', () => {
    if (family === TINY) return; // rendered from a directory of its own
    for (const target of targetsOf(family)) {
      const isas = isasOf(family).filter((isa) => targetOf(family, isa) === target);
      const forms = formsOf(family, isas);
      const variants = forms.flatMap((form) => sample(form, Math.max(4, Math.ceil(24 / forms.length)), seededRandom(11), { family }));
      for (const axis of target.axes.filter((a) => a.values.length > 1)) {
        const steps = variants.flatMap((variant) =>
          axis.values.map((value) => ({ variant, other: { ...variant, axes: { ...variant.axes, [axis.name]: value } } })).filter(({ other }) => other.axes[axis.name] !== variant.axes[axis.name] && isPossible(other, family)),
        );
        // Where constraints tie an axis to others, no step along it alone is possible: then variants that lie apart must differ.
        const pairs = steps.length > 0 ? steps : variants.flatMap((variant) => variants.filter((other) => other.axes[axis.name] !== variant.axes[axis.name]).map((other) => ({ variant, other })));
        const matters = pairs.some(({ variant, other }) => anonymous(other, family) !== anonymous(variant, family));
        expect(matters, `axis ${axis.name} changes some kernel of ${isas.join(', ')}`).toBe(true);
      }
    }
  });

  it('has a template with a head comment', () => {
    if (family === TINY) return; // rendered from a directory of its own
    for (const { template } of targetsOf(family)) {
      expect(existsSync(join(defaultTemplateRoot(), template)), template).toBe(true);
      expect(readFileSync(join(defaultTemplateRoot(), template), 'utf8')).toMatch(/^\s*\{\{!--/);
    }
  });

  it('gives every form a valid default, once', () => {
    const kernels = defaultKernels([family], isasOf(family));
    expect(kernels.length).toBe(formsOf(family).length);
    expectDistinct(kernels.map((kernel) => kernel.formId));
  });

  it('has finite geometry, costs, shapes and scalars on its ragged problems, for any variant', () => {
    for (const params of paramSets(family)) {
      const problems = family.raggedProblems(params);
      const forms = formsOf(family).filter((f) => JSON.stringify(f.params) === JSON.stringify(params));
      const variants = forms.flatMap((form) => [defaultVariant(form, { family }), ...sample(form, 3, seededRandom(5), { family })]);
      expect(problems.length).toBeGreaterThan(0);
      for (const problem of problems) {
        expect(problem.family).toBe(family.name);
        expect(problem.params).toEqual(params);
        expect(Object.keys(problem.dims).sort()).toEqual(family.dims.map((dim) => dim.name).sort());
        const cost = family.cost(problem);
        for (const value of [cost.readBytes, cost.writeBytes, cost.flops]) expect(Number.isFinite(value) && value >= 0).toBe(true);
        for (const tensor of family.tensors) {
          for (const size of tensor.shape(problem.dims, params)) expect(Number.isSafeInteger(size) && size >= 0, `shape of ${tensor.name}`).toBe(true);
          expect([...WEIGHT_DTYPES, 'i32']).toContain(tensor.dtype(params));
        }
        for (const scalar of family.scalars) {
          const value = scalar.value(problem.dims, params);
          expect(scalar.type === 'int' ? Number.isSafeInteger(value) : Number.isFinite(value), `value of ${scalar.name}`).toBe(true);
        }
        for (const variant of variants) {
          expect(targetOf(family, variant.isa).numericsClass(variant)).not.toBe('');
          if (!isCpuIsa(variant.isa)) continue; // launch expressions: see cuda-view.test.ts
          const launch = family.cpu.launch(problem, { isa: variant.isa, axes: variant.axes });
          expect(launch.phases.length).toBeGreaterThan(0);
          for (const phase of launch.phases) expect(Number.isSafeInteger(phase.units) && phase.units >= 0, `units of ${phase.name}`).toBe(true);
          for (const bytes of [launch.scratchBytes, launch.workspaceBytes]) expect(Number.isSafeInteger(bytes) && bytes >= 0).toBe(true);
        }
      }
    }
  });
});

/** Valid for any sizes, or at least for some. */
function isPossible(variant: Variant, family: Family): boolean {
  const some = family.raggedProblems(variant.params).map(({ dims }) => ({ family, dims }));
  return [{ family }, ...some].some((options) => validate(variant, options).length === 0);
}

/** The source without its own name, which spells every axis. */
function anonymous(variant: Variant, family: Family): string {
  return renderKernel(variant, { family, prelude: 'include' }).replaceAll(kernelId(variant, family), 'ID');
}

function targetsOf(family: Family): readonly Target[] {
  return family.cuda === undefined ? [family.cpu] : [family.cpu, family.cuda];
}
