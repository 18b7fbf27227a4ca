import { expect, test } from 'vitest';

import { cpuIdentity } from '../../../runtime/device/cpu-info.js';
import { openDevice } from '../../../runtime/device/index.js';
import { UsageError } from '../../../runtime/errors.js';

test('`cpu` opens the processor with its strongest instruction set', async () => {
  await using device = openDevice('cpu', { threads: 1 });
  expect(device.identity.kind).toBe('cpu');
  expect(device.threads).toBe(1);
  expect(device.isa).toBe(cpuIdentity().isas.at(-1));
});

test('`cpu:portable` forces an instruction set', async () => {
  await using device = openDevice('cpu:portable');
  expect(device.isa).toBe('portable');
});

test.each(['', 'gpu', 'cuda0', 'toString', 'CPU'])('`%s` is refused, naming what is supported', (spec) => {
  expect(() => openDevice(spec)).toThrow(UsageError);
  expect(() => openDevice(spec)).toThrow('supported: cpu, cpu:<instruction set>');
  expect(() => openDevice(spec)).toThrow('cuda:<index>,eager, emulated, emulated:<options>');
});

test.each(['cuda:x', 'emulated:sm70'])('`%s` is refused, naming the options', (spec) => {
  expect(() => openDevice(spec)).toThrow(UsageError);
  expect(() => openDevice(spec)).toThrow(/is not an option, supported: /);
});

test.each(['cpu:', 'cpu:mmx'])('`%s` is refused, naming what the machine has', (spec) => {
  expect(() => openDevice(spec)).toThrow(UsageError);
  expect(() => openDevice(spec)).toThrow('it has portable');
});
