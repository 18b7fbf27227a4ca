import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GeneratorError } from '../../generator/errors.js';
import { defaultTemplateRoot, loadTemplates } from '../../generator/templates.js';
import { tinyTemplates } from './tiny.js';

describe('loadTemplates', () => {
  it('offers every shared file as a partial and kernels as templates only', () => {
    const set = loadTemplates(tinyTemplates({ 'cpu/plain.hbs': 'x' }));
    expect(set.partials).toEqual(['cpu/args', 'cpu/export', 'cpu/kernel_abi', 'cpu/plain', 'cpu/prelude', 'cuda/describe', 'cuda/device', 'cuda/params', 'cuda/prelude']);
  });

  it('inserts .h files as they are and replaces overridden partials', () => {
    const root = tinyTemplates({ 'cpu/raw.h': 'int a[] = {{1}};\n', 'cpu/t.cc.hbs': '{{> cpu/raw}}{{> cpu/prelude}}' });
    expect(loadTemplates(root, { 'cpu/prelude': '{{as is}}' }).get('cpu/t.cc.hbs')({})).toBe('int a[] = {{1}};\n{{as is}}');
  });

  it('refuses two files for one partial', () => {
    expect(() => loadTemplates(tinyTemplates({ 'cpu/args.h': '' }))).toThrow(GeneratorError);
    expect(() => loadTemplates(tinyTemplates({ 'cpu/args.h': '' }))).toThrow(/two files give the partial cpu\/args/);
  });

  it('keeps the context inside #repeat and gives @index, @first and @last', () => {
    const root = tinyTemplates({ 'cpu/t.cc.hbs': '{{#repeat n}}{{@index}}{{name}}{{#if @first}}<{{/if}}{{#if @last}}>{{/if}}{{/repeat}}' });
    expect(loadTemplates(root).get('cpu/t.cc.hbs')({ n: 3, name: 'a' })).toBe('0a<1a2a>');
  });

  it('finds the templates of this package', () => {
    expect(existsSync(join(defaultTemplateRoot(), 'cpu', 'kernel_abi.h'))).toBe(true);
  });
});
