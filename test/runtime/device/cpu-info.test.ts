import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';

import { expect, test } from 'vitest';

import { cpuIdentity } from '../../../runtime/device/cpu-info.js';

const ORDER = ['portable', 'avx2', 'avx512', 'avx512bf16'];

test('instruction sets are a prefix of the known order and agree with the kernel', () => {
  const { isas } = cpuIdentity();
  expect(isas.length).toBeGreaterThan(0);
  expect(isas).toEqual(ORDER.slice(0, isas.length));
  const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.trim().split(' ') ?? []);
  const has = (...names: string[]): boolean => names.every((name) => flags.has(name));
  expect(isas.includes('avx2')).toBe(has('avx2', 'fma', 'f16c'));
  expect(isas.includes('avx512')).toBe(has('avx2', 'fma', 'f16c', 'avx512f', 'avx512bw', 'avx512vl', 'avx512dq'));
  expect(isas.includes('avx512bf16')).toBe(isas.includes('avx512') && has('avx512_bf16'));
});

test('sizes, cores and names are plausible', () => {
  const identity = cpuIdentity();
  expect(identity.kind).toBe('cpu');
  expect(identity.name).not.toBe('');
  expect(identity.cores).toBeGreaterThanOrEqual(1);
  expect(identity.cores).toBeLessThanOrEqual(availableParallelism());
  expect(identity.l1dBytes).toBeGreaterThanOrEqual(8 << 10);
  expect(identity.l2Bytes).toBeGreaterThan(identity.l1dBytes);
  expect(identity.l3Bytes).toBeGreaterThan(0);
  expect(identity.memoryBytes).toBeGreaterThan(64 << 20);
  expect(identity.memoryBytes).toBeLessThanOrEqual(totalmem());
});

test('the key is stable, names the strongest instruction set and is safe as a file name', () => {
  const { key, isas } = cpuIdentity();
  expect(key).toBe(cpuIdentity().key);
  expect(key).toMatch(/^cpu-[a-z0-9-]+$/);
  expect(key.endsWith(`-${isas.at(-1)}`)).toBe(true);
});
