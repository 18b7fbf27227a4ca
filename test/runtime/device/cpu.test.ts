import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { CpuDevice, openCpuDevice } from '../../../runtime/device/cpu.js';
import { cpuIdentity } from '../../../runtime/device/cpu-info.js';
import type { ElementType } from '../../../runtime/device/types.js';
import { DeviceError, LibraryError, UsageError } from '../../../runtime/errors.js';
import { packageRoot } from '../../../runtime/paths.js';
import { runChild } from '../native/child.js';
import { loadTestKernels, testDevice, testLibrary } from './fixture.js';

const library = testLibrary();
const device = testDevice(2);

describe('opening', () => {
  test('defaults to all cores and the strongest instruction set', async () => {
    await using opened = openCpuDevice();
    expect(opened).toBeInstanceOf(CpuDevice);
    expect(opened.threads).toBe(cpuIdentity().cores);
    expect(opened.isa).toBe(cpuIdentity().isas.at(-1));
    expect(opened.identity).toEqual(cpuIdentity());
  });

  test.each([0, -1, 257, 1.5, Number.NaN])('%d threads are refused', (threads) => {
    expect(() => openCpuDevice({ threads })).toThrow(UsageError);
    expect(() => openCpuDevice({ threads })).toThrow('from 1 to 256');
  });

  test('every instruction set of the machine can be chosen, others are refused with a list', async () => {
    for (const isa of cpuIdentity().isas) {
      await using opened = openCpuDevice({ threads: 1, isa });
      expect(opened.isa).toBe(isa);
    }
    expect(() => openCpuDevice({ isa: 'sse9' })).toThrow(UsageError);
    expect(() => openCpuDevice({ isa: 'sse9' })).toThrow(`it has ${cpuIdentity().isas.join(', ')}`);
  });
});

describe('loadKernels', () => {
  test('answers the kernels in the order asked for', () => {
    const kernels = device.loadKernels(library.path, ['gk_count', 'gk_saxpy']);
    expect(kernels.map(({ id, phases, scratchBytes }) => ({ id, phases, scratchBytes }))).toEqual([
      { id: 'count', phases: 3, scratchBytes: 4096 },
      { id: 'saxpy', phases: 2, scratchBytes: 0 },
    ]);
  });

  const broken = (name: string, bytes: Uint8Array): string => {
    const path = join(library.folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  const whole = readFileSync(library.path);
  const otherMachine = Buffer.from(whole);
  otherMachine.writeUInt16LE(0xf3, 18); // RISC-V
  test.each<[string, string, string, string]>([
    ['a missing file', join(library.folder, 'absent.so'), 'gk_count', 'No such file'],
    ['a text file', broken('text.so', Buffer.from('int main() {}')), 'gk_count', 'is not a 64-bit shared object'],
    ['an empty file', broken('empty.so', Buffer.alloc(0)), 'gk_count', 'is not a 64-bit shared object'],
    ['a truncated object', broken('cut.so', whole.subarray(0, 5000)), 'gk_count', 'is truncated (5000 bytes'],
    ['an object cut within its headers', broken('cut2.so', whole.subarray(0, 100)), 'gk_count', 'is truncated (100 bytes'],
    ['an object of another machine', broken('other.so', otherMachine), 'gk_count', 'another processor architecture'],
    ['a missing symbol', library.path, 'gk_absent', 'has no kernel gk_absent'],
    ['a kernel of another ABI version', library.path, 'gk_old', 'gk_old has kernel ABI version 2, this build runs version 1'],
    ['a kernel without a function', library.path, 'gk_hollow', 'gk_hollow lacks'],
  ])('%s gives a LibraryError', (_, path, symbol, message) => {
    expect(() => device.loadKernels(path, [symbol])).toThrow(LibraryError);
    expect(() => device.loadKernels(path, [symbol])).toThrow(message);
    expect(() => device.loadKernels(path, [symbol])).toThrow(path);
  });

  test('kernels outlive other references to their file', async () => {
    const path = join(library.folder, 'copy.so');
    copyFileSync(library.path, path);
    const { append } = loadTestKernels(device, path);
    writeFileSync(`${path}.new`, '');
    const log = device.allocate(40, { label: 'log' });
    const recorder = device.record('append');
    recorder.step(append, { buffers: [log], ints: [3], floats: [] });
    await recorder.finish().run();
    expect(new Int32Array(log.read().buffer)[1]).toBe(3);
  });
});

describe('fillRandom', () => {
  /** The stored elements as numbers. */
  function decode(bytes: Uint8Array<ArrayBuffer>, type: ElementType): number[] {
    if (type === 'f32') return [...new Float32Array(bytes.buffer)];
    return [...new Uint16Array(bytes.buffer)].map((bits) => {
      if (type === 'bf16') return new Float32Array(new Uint32Array([bits << 16]).buffer)[0] ?? 0;
      const magnitude = bits & 0x7fff;
      const value = magnitude < 1024 ? magnitude * 2 ** -24 : (1 + (magnitude & 1023) / 1024) * 2 ** ((magnitude >> 10) - 15);
      return bits & 0x8000 ? -value : value;
    });
  }

  test.each(['f32', 'f16', 'bf16'] as const)('%s values are uniform in ±scale', async (type) => {
    using buffer = device.allocate(200_000, { label: 'random' });
    await device.fillRandom(buffer, type, 42, 0.02);
    const values = decode(buffer.read(), type);
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(0.0201);
    expect(Math.max(...values)).toBeGreaterThan(0.0195);
    expect(Math.min(...values)).toBeLessThan(-0.0195);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.0003);
    expect(Math.abs(square / (0.02 ** 2 / 3) - 1)).toBeLessThan(0.03);
  });

  test('the same seed gives the same bytes for any number of threads, another seed others', async () => {
    const fill = async (threads: number, seed: number): Promise<Uint8Array> => {
      await using opened = openCpuDevice({ threads });
      using buffer = opened.allocate(5_000_002, { label: 'random' });
      await opened.fillRandom(buffer, 'bf16', seed, 1);
      return buffer.read();
    };
    const first = await fill(1, 7);
    expect(Buffer.compare(await fill(2, 7), first)).toBe(0);
    expect(Buffer.compare(await fill(5, 7), first)).toBe(0);
    expect(Buffer.compare(await fill(2, 8), first)).not.toBe(0);
  });

  test('a view is filled without touching its neighbours, and starts the sequence', async () => {
    using buffer = device.allocate(64, { label: 'random' });
    using whole = device.allocate(12, { label: 'random' });
    await device.fillRandom(buffer.view(20, 12), 'f16', 1, 1);
    await device.fillRandom(whole, 'f16', 1, 1);
    expect(buffer.read(20, 12)).toEqual(whole.read());
    expect([...buffer.read(0, 20), ...buffer.read(32)].every((byte) => byte === 0)).toBe(true);
  });

  test('what is no seed, scale or type is refused', async () => {
    using buffer = device.allocate(8, { label: 'random' });
    await expect(device.fillRandom(buffer, 'f32', -1, 1)).rejects.toThrow('seed');
    await expect(device.fillRandom(buffer, 'f32', 1, Number.NaN)).rejects.toThrow('scale');
    await expect(device.fillRandom(buffer, 'f64' as ElementType, 1, 1)).rejects.toThrow('supported: f32, f16, bf16');
  });
});

describe('disposal', () => {
  test('ends a long run early, fails what is queued, and refuses everything afterwards', async () => {
    const opened = openCpuDevice({ threads: 2 });
    const { busy } = loadTestKernels(opened, library.path);
    const buffer = opened.allocate(64, { label: 'sink' });
    const recorder = opened.record('long');
    recorder.step(busy, { buffers: [buffer], ints: [100, 4], floats: [] });
    const plan = recorder.finish();
    const runs = [plan.run(10_000_000), plan.run(), plan.profile()]; // the first alone would take hours
    const settled = Promise.allSettled(runs);
    await Promise.all([opened.dispose(), opened.dispose()]);
    for (const result of await settled) {
      expect(result.status).toBe('rejected');
      expect((result as PromiseRejectedResult).reason).toBeInstanceOf(DeviceError);
      expect((result as PromiseRejectedResult).reason.message).toContain('disposed');
    }
    await expect(plan.run()).rejects.toThrow('the cpu device is disposed');
    expect(() => opened.allocate(1, { label: 'late' })).toThrow(DeviceError);
    expect(() => opened.record('late')).toThrow(DeviceError);
    expect(() => opened.mapFile(library.path)).toThrow(DeviceError);
    await expect(opened.load([])).rejects.toThrow(DeviceError);
    buffer.write(new Uint8Array([1])); // memory belongs to its buffers, not to the device
    expect(buffer.read(0, 1)[0]).toBe(1);
  });

  test('many devices can be opened and disposed', async () => {
    for (let i = 0; i < 50; i++) {
      await using opened = openCpuDevice({ threads: 1 + (i % 4) });
      await opened.record('empty').finish().run();
    }
  });
});

describe('the process', () => {
  const script = (body: string): string => {
    const path = join(library.folder, `script-${Math.abs(hash(body))}.ts`);
    writeFileSync(
      path,
      `import { openCpuDevice } from ${JSON.stringify(join(packageRoot(), 'runtime', 'device', 'cpu.js'))};
const device = openCpuDevice({ threads: 2 });
const [busy] = device.loadKernels(${JSON.stringify(library.path)}, ['gk_busy']);
const recorder = device.record('busy');
recorder.step(busy, { buffers: [null], ints: [100, 4], floats: [] });
const plan = recorder.finish();
${body}`,
    );
    return path;
  };
  const hash = (text: string): number => [...text].reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) | 0, 7);

  test('exits by itself although the device was not disposed', async () => {
    const result = await runChild(script(`await plan.run(); console.log('done');`), [], { timeoutMs: 120_000 });
    expect(result).toMatchObject({ status: 0, signal: null, stdout: 'done\n' });
  });

  test('stays alive while a run is pending', async () => {
    const result = await runChild(script(`void plan.run(50).then(() => console.log('finished'));`), [], { timeoutMs: 120_000 });
    expect(result).toMatchObject({ status: 0, signal: null, stdout: 'finished\n' });
  });

  test('process.exit in the middle of a run ends it at once and cleanly', async () => {
    const result = await runChild(script(`void plan.run(1e9); setTimeout(() => process.exit(7), 20);`), [], { timeoutMs: 120_000 });
    expect(result).toMatchObject({ status: 7, signal: null, stderr: '' });
  });

  test('Ctrl-C in the middle of a run reaches JavaScript, which can stop cleanly', async () => {
    const body = `process.on('SIGINT', async () => { await device.dispose(); console.log('stopped'); process.exitCode = 130; });
const run = plan.run(1e9).catch((error) => console.log(error.name));
setTimeout(() => process.kill(process.pid, 'SIGINT'), 20);
await run;`;
    const result = await runChild(script(body), [], { timeoutMs: 120_000 });
    expect(result).toMatchObject({ status: 130, signal: null, stdout: 'DeviceError\nstopped\n' });
  });

  test('objects that are dropped without disposal are collected in any order', async () => {
    const body = `for (let i = 0; i < 200; i++) {
  const other = openCpuDevice({ threads: 2 });
  const buffer = other.allocate(1 << 20, { label: 'dropped' });
  void buffer.view(4, 8);
  void other.fillRandom(buffer, 'f32', i, 1);
  other.record('dropped').finish();
  if (i % 20 === 0) { globalThis.gc(); await new Promise((done) => setTimeout(done, 5)); }
}
console.log('done');`;
    const result = await runChild(script(`const { setFlagsFromString } = await import('node:v8'); setFlagsFromString('--expose-gc');
globalThis.gc = (await import('node:vm')).runInNewContext('gc');
${body}`), [], { timeoutMs: 120_000 });
    expect(result).toMatchObject({ status: 0, signal: null, stdout: 'done\n', stderr: '' });
  });
});
