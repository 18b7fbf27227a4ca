#!/usr/bin/env node
// Builds the native addon with cmake-js, when its sources have changed since the last build. Needs no network: the Node-API headers
// and node-addon-api come with the npm packages.
//
//     node scripts/build-addon.mjs [--sanitize]
//
// Writes build/addon/Release/griffin.node, or with --sanitize an AddressSanitizer build, build/addon-asan/Release/griffin.node.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const sources = join(root, 'runtime', 'native');
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

/** Everything the binary depends on. */
function stampOf(parts) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part}\n`);
  for (const file of [...readdirSync(sources).sort().map((name) => join(sources, name)), join(abi, 'kernel_abi.h'), fileURLToPath(import.meta.url)]) {
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
const stampFile = join(out, 'stamp');
const stamp = stampOf([compiler, cmake, process.arch, root, packageFolder('node-api-headers'), packageFolder('node-addon-api')]);
if (existsSync(binary) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) process.exit(0);

const shown = `build/${sanitize ? 'addon-asan' : 'addon'}/Release/griffin.node`;
console.error(`building the native addon${sanitize ? ' with the address sanitizer' : ''} (${shown}, about half a minute) …`);
// A build folder that was configured elsewhere or half-way is of no use to cmake.
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const result = spawnSync(
  process.execPath,
  [
    join(packageFolder('cmake-js'), 'bin', 'cmake-js'),
    'compile',
    '-d', sources,
    '-O', out,
    '-B', 'Release',
    '--parallel', '2',
    `--CDNODE_ADDON_API_INCLUDE=${packageFolder('node-addon-api')}`,
    `--CDKERNEL_ABI_INCLUDE=${abi}`,
    `--CDGRIFFIN_SANITIZE=${sanitize ? 'ON' : 'OFF'}`,
  ],
  { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 },
);
if (result.status !== 0 || !existsSync(binary)) {
  process.stderr.write(`${result.stdout}${result.stderr}`);
  fail('the native addon does not build (output above)', `${remedy}, then npm run build:addon`);
}
writeFileSync(stampFile, stamp);
