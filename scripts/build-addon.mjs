#!/usr/bin/env node
// Builds the native addon with cmake-js, when its sources have changed since the last build. Needs no network: the Node-API headers
// and node-addon-api come with the npm packages.
//
//     node scripts/build-addon.mjs [--sanitize]
//
// Writes build/addon/Release/griffin.node and, beside it, the emulated CUDA driver, libgriffin_emulated_cuda.so; or with --sanitize an
// AddressSanitizer build of both in build/addon-asan/Release.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const sources = join(root, 'runtime', 'native');
const emulator = join(root, 'runtime', 'emulator');
const abi = join(root, 'templates', 'cpu');

function fail(message, remedy) {
  console.error(`build-addon: ${message}\n  try: ${remedy}`);
  process.exit(1);
}

/** First line of `command --version`, or undefined when there is no such command. */
function versionOf(command) {
  const result = spawnSync(command, ['--version'], { encoding: 'utf8' });
  return result.status === 0 ? result.stdout.split('\n')[0] : undefined;
}

/** Where an installed npm package lies. */
function packageFolder(name) {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    return fail(`the npm package ${name} is not installed`, 'npm ci');
  }
}

/** All files of a folder and the folders in it, in an order that does not depend on the machine. */
function filesOf(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** Everything the binaries depend on. */
function stampOf(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part}\n`);
  for (const file of [...filesOf(sources), ...filesOf(emulator), join(abi, 'kernel_abi.h'), fileURLToPath(import.meta.url)]) {
    hash.update(`${file.slice(root.length)}\n`).update(readFileSync(file));
  }
  return hash.digest('hex');
}

const unknown = process.argv.slice(2).filter((argument) => argument !== '--sanitize');
if (unknown.length > 0) fail(`unknown option ${unknown[0]}`, 'node scripts/build-addon.mjs [--sanitize]');
const sanitize = process.argv.includes('--sanitize');

const remedy = 'apt-get install g++ cmake make (as root)';
const compiler = versionOf(process.env.CXX ?? 'c++');
if (compiler === undefined) fail(`no C++ compiler: ${process.env.CXX ?? 'c++'} is not found`, remedy);
const cmake = versionOf('cmake');
if (cmake === undefined) fail('cmake is not found', remedy);
if (versionOf('make') === undefined && versionOf('ninja') === undefined) fail('neither make nor ninja is found', remedy);

const out = join(root, 'build', sanitize ? 'addon-asan' : 'addon');
const binary = join(out, 'Release', 'griffin.node');
const driver = join(out, 'Release', 'libgriffin_emulated_cuda.so');
const stampFile = join(out, 'stamp');
const stamp = stampOf([compiler, cmake, process.arch, root, packageFolder('node-api-headers'), packageFolder('node-addon-api')]);
if (upToDate()) process.exit(0);

const shown = `build/${sanitize ? 'addon-asan' : 'addon'}/Release/griffin.node`;
const unlock = await lock(`${out}.lock`);
try {
  if (!upToDate()) build();
} finally {
  unlock();
}

function upToDate() {
  return existsSync(binary) && existsSync(driver) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
}

/** Two test files may ask for the same build at once: the second waits and then finds it done. A lock of a dead process is taken over. */
async function lock(path) {
  mkdirSync(dirname(path), { recursive: true });
  for (;;) {
    try {
      writeFileSync(path, String(process.pid), { flag: 'wx' });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    try {
      process.kill(Number(readFileSync(path, 'utf8')) || process.pid, 0);
    } catch (error) {
      if (error.code === 'ESRCH') rmSync(path, { force: true });
    }
    await new Promise((done) => setTimeout(done, 200));
  }
}

function build() {
  console.error(`building the native addon${sanitize ? ' with the address sanitizer' : ''} (${shown}, about a minute) …`);
  // Built beside the old one and swapped in when complete: a failed or interrupted build leaves what was there.
  const partial = `${out}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const result = spawnSync(
    process.execPath,
    [
      join(packageFolder('cmake-js'), 'bin', 'cmake-js'),
      'build',
      '-d', sources,
      '-O', partial,
      '-B', 'Release',
      '--parallel', '2',
      `--CDNODE_ADDON_API_INCLUDE=${packageFolder('node-addon-api')}`,
      `--CDKERNEL_ABI_INCLUDE=${abi}`,
      `--CDGRIFFIN_SANITIZE=${sanitize ? 'ON' : 'OFF'}`,
    ],
    { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 },
  );
  if (result.status !== 0 || !existsSync(join(partial, 'Release', 'griffin.node'))) {
    process.stderr.write(`${result.stdout}${result.stderr}`);
    rmSync(partial, { recursive: true, force: true });
    process.exitCode = 1;
    console.error(`build-addon: the native addon does not build (output above)\n  try: ${remedy}, then npm run build:addon`);
    return;
  }
  writeFileSync(join(partial, 'stamp'), stamp);
  rmSync(out, { recursive: true, force: true });
  renameSync(partial, out);
}
