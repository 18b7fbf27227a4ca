import { describe, expect, test } from 'vitest';

import { emulatedSettings, parseCudaSpec, parseEmulatedSpec } from '../../../runtime/device/cuda-spec.js';
import { UsageError } from '../../../runtime/errors.js';

describe('cuda', () => {
  test.each([
    [undefined, { name: 'cuda:0', index: 0, eager: false }],
    ['0', { name: 'cuda:0', index: 0, eager: false }],
    ['3', { name: 'cuda:3', index: 3, eager: false }],
    ['1,eager', { name: 'cuda:1', index: 1, eager: true }],
    ['eager', { name: 'cuda:0', index: 0, eager: true }],
  ])('%s', (detail, expected) => {
    expect(parseCudaSpec(detail)).toEqual({ kind: 'cuda', ...expected });
  });

  test.each([
    ['', 'device cuda:: an option is empty'],
    ['0,', 'an option is empty'],
    ['0,1', '1 is not an option'],
    ['x', 'x is not an option'],
    ['-1', '-1 is not an option'],
    ['eager,eager', 'eager is given twice'],
  ])('%j is refused', (detail, message) => {
    expect(() => parseCudaSpec(detail)).toThrow(UsageError);
    expect(() => parseCudaSpec(detail)).toThrow(message);
    expect(() => parseCudaSpec(detail)).toThrow('supported: cuda, cuda:<index>');
  });
});

describe('emulated', () => {
  const usual = { kind: 'emulated', capability: 90, checked: true, order: 'forward', seed: 1, eager: false };
  test.each([
    [undefined, {}],
    ['sm86', { capability: 86 }],
    ['sm120,fast', { capability: 120, checked: false }],
    ['reverse,sm80,checked', { capability: 80, order: 'reverse' }],
    ['random=7', { order: 'random', seed: 7 }],
    ['sm100,fast,random=0,eager', { capability: 100, checked: false, order: 'random', seed: 0, eager: true }],
  ])('%s', (detail, expected) => {
    expect(parseEmulatedSpec(detail)).toEqual({ ...usual, name: detail === undefined ? 'emulated' : `emulated:${detail}`, ...expected });
  });

  test.each([
    ['', 'an option is empty'],
    ['sm70', 'sm70 is not an option'],
    ['toString', 'toString is not an option'],
    ['random', 'random is not an option'],
    ['random=-1', 'random=-1 is not an option'],
    ['sm80,sm90', 'sm90 contradicts an option before it'],
    ['checked,fast', 'fast contradicts'],
    ['forward,random=2', 'random=2 contradicts'],
    ['fast,fast', 'fast is given twice'],
  ])('%j is refused', (detail, message) => {
    expect(() => parseEmulatedSpec(detail)).toThrow(UsageError);
    expect(() => parseEmulatedSpec(detail)).toThrow(message);
  });

  test('settings for the driver', () => {
    expect(emulatedSettings(parseEmulatedSpec('sm86,fast,random=9'), 1024)).toBe('capability=86;schedule=random;seed=9;checked=0;memory=1024');
    expect(emulatedSettings(parseEmulatedSpec(undefined), 5)).toBe('capability=90;schedule=forward;seed=1;checked=1;memory=5');
  });
});
