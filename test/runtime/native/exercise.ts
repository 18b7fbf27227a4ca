/**
 * Uses every part of the addon that touches memory, with ragged sizes; run by asan.test.ts in a child process under the address
 * sanitizer. Arguments: the test kernels' shared object, a scratch folder; or `crash`, to prove that the sanitizer sees errors.
 */
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { openCpuDevice } from '../../../runtime/device/cpu.js';
import type { DeviceBuffer, ElementType } from '../../../runtime/device/types.js';

const [library = '', folder = '', mode = ''] = process.argv.slice(2);

async function refused(action: () => unknown): Promise<void> {
  try {
    await action();
  } catch {
    return;
  }
  throw new Error('an operation that must be refused was carried out');
}

for (const threads of [1, 3]) {
  const device = openCpuDevice({ threads });
  const names = ['saxpy', 'count', 'append', 'grow', 'spill'] as const;
  const [saxpy, count, append, grow, spill] = device.loadKernels(library, names.map((name) => `gk_${name}`));
  if (!saxpy || !count || !append || !grow || !spill) throw new Error('kernels missing');

  if (mode === 'crash') {
    const small = device.allocate(64, { label: 'small' });
    const recorder = device.record('crash');
    recorder.step(spill, { buffers: [small], ints: [64], floats: [] });
    await recorder.finish().run();
  }

  // Buffers and views, the parent disposed first.
  for (const bytes of [0, 1, 63, 64, 65, 4097, 3 << 20]) {
    for (const guarded of [false, true]) {
      const buffer = device.allocate(bytes, { label: `b${bytes}`, guarded });
      buffer.fill(7);
      const view = buffer.view(Math.min(4, bytes & ~3), Math.max(0, bytes - 4));
      buffer.dispose();
      view.write(new Uint8Array(view.byteLength));
      if (view.read().some((byte) => byte !== 0)) throw new Error('view lost its contents');
      await refused(() => view.view(0, view.byteLength + 1));
      await refused(() => view.write(new Uint8Array(view.byteLength + 1)));
      view.dispose();
    }
  }

  // Load operations that fit exactly, and ones that do not.
  const path = join(folder, `weights-${threads}`);
  const bytes = new Uint8Array(300_001).map((_, i) => (i * 31) & 0x3f);
  writeFileSync(path, bytes);
  const source = device.mapFile(path);
  for (const type of ['f32', 'f16', 'bf16'] as const satisfies readonly ElementType[]) {
    const size = type === 'f32' ? 4 : 2;
    for (const [rows, cols] of [[1, 1], [3, 5], [65, 129], [130, 67], [1, 70_000], [70_000, 1]] as const) {
      for (const transpose of [false, true]) {
        for (const toF32 of [false, true]) {
          const element = toF32 ? 4 : size;
          const [targetRows, targetCols] = transpose ? [cols, rows] : [rows, cols];
          const targetStride = targetCols + 3;
          const target = device.allocate(((targetRows - 1) * targetStride + targetCols) * element, { label: 'target' });
          const sourceOffset = 300_001 - rows * cols * size;
          const op = { source, sourceOffset, type, rows, cols, target, targetOffset: 0, targetStride, transpose, toF32 };
          await device.load([op]);
          await refused(() => device.load([{ ...op, sourceOffset: sourceOffset + 1 }]));
          await refused(() => device.load([{ ...op, targetOffset: element }]));
          await refused(() => device.load([{ ...op, rows: 2 ** 52, targetStride: 2 ** 52 }]));
          target.dispose();
        }
      }
    }
  }
  await refused(() => source.read(300_000, 2));
  truncateSync(path, 10_000);
  await refused(() => source.read(290_000, 100));
  source.dispose();

  // Plans whose buffers are disposed between recording and running.
  const log = device.allocate(4 * 600, { label: 'log' });
  const state = device.allocate(4, { label: 'state' });
  const recorder = device.record('exercise');
  for (const units of [0, 1, 2, 17, 250]) {
    const counters: DeviceBuffer = device.allocate(4 * units, { label: 'counters' });
    recorder.step(count, { buffers: [counters], ints: [units], floats: [] });
    counters.dispose();
  }
  for (const n of [0, 1, 15, 16, 17, 1000]) {
    const [x, y] = [device.allocate(4 * n, { label: 'x' }), device.allocate(4 * n, { label: 'y' })];
    recorder.step(saxpy, { buffers: [x, y], ints: [n], floats: [2] });
    x.dispose();
    y.dispose();
  }
  recorder.step(append, { buffers: [log], ints: [{ buffer: state, index: 0 }], floats: [] });
  recorder.step(grow, { buffers: [], ints: [{ buffer: state, index: 0 }], floats: [], maxInts: { 0: 100 } });
  const plan = recorder.finish();
  for (let i = 0; i <= 100; i += 10) {
    state.write(new Int32Array([i]));
    await plan.run(5);
  }
  // The workspace is the largest of all steps, here the 4000 bytes of the last saxpy.
  state.write(new Int32Array([4001]));
  await refused(() => plan.run());
  await plan.profile().catch(() => undefined);

  for (const type of ['f32', 'f16', 'bf16'] as const) {
    for (const length of [0, 2, 6, 1_048_578]) {
      const buffer = device.allocate(length, { label: 'random' });
      await device.fillRandom(buffer, type, 3, 0.5);
      buffer.dispose();
    }
  }
  state.write(new Int32Array([1]));
  const pending = Promise.allSettled([plan.run(1_000_000), plan.run(), plan.profile()]);
  plan.dispose();
  await device.dispose();
  await pending;
}
console.log('exercised');
