import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { emulatedLibrary } from '../../runtime/device/cuda-driver.js';
import { packageRoot } from '../../runtime/paths.js';
import { emulatedFlags, type EmulatedFlavour } from '../../tuning/cuda/emulated.js';

/** Builds the emulated cuBLASLt (test/support/emulated-blas) for one flavour of the emulated device, once per content; its path is for `$GRIFFIN_CUBLASLT`. */
export function emulatedBlas(flavour: EmulatedFlavour): string {
  const root = packageRoot();
  const sources = join(root, 'test', 'support', 'emulated-blas');
  const include = join(root, 'runtime', 'emulator', 'include');
  const device = join(root, 'templates', 'cuda');
  const native = join(root, 'runtime', 'native', 'cuda');
  const texts = [sources, include].flatMap((folder) => readdirSync(folder).sort().map((name) => join(folder, name)));
  const hash = createHash('sha256').update(`${flavour} ${emulatedLibrary()}`);
  for (const file of [...texts, join(device, 'device.cuh'), join(native, 'blas_api.h'), join(native, 'driver_types.h')]) hash.update(readFileSync(file));
  const folder = join(root, 'build', 'test-kernels');
  const stem = join(folder, `blas-${hash.digest('hex').slice(0, 16)}`);
  const library = `${stem}.so`;
  if (existsSync(library)) return library;
  mkdirSync(folder, { recursive: true });
  const compiler = process.env['CXX'] ?? 'c++';
  const own = `${stem}.${process.pid}`;
  const run = (...args: string[]): unknown => execFileSync(compiler, args, { stdio: 'pipe' });
  run(...emulatedFlags(flavour, 80), '-x', 'c++', `-I${device}`, `-I${include}`, `-I${sources}`, '-c', '-o', `${own}.o`, join(sources, 'gemm.cu'));
  run('-shared', '-o', `${own}.gemm`, `${own}.o`);
  renameSync(`${own}.gemm`, `${stem}-gemm.so`);
  run(
    ...['-std=c++17', '-O1', '-fPIC', '-shared', '-fvisibility=hidden', `-I${native}`, `-I${sources}`],
    ...[`-DGRIFFIN_TEST_DRIVER="${emulatedLibrary()}"`, `-DGRIFFIN_TEST_GEMM="${stem}-gemm.so"`],
    ...['-o', `${own}.so`, join(sources, 'blas.cc'), '-ldl'],
  );
  renameSync(`${own}.so`, library);
  return library;
}
