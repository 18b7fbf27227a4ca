// The bundle's addon: the same sources as build/addon, with the C++ library inside and bound to an old glibc's symbols.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
const packageFolder = (name) => dirname(require.resolve(`${name}/package.json`));

/** Every file below a folder, sorted, so that a hash over them does not depend on the file system. */
export function filesBelow(folder) {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
    .flatMap((path) => (statSync(path).isDirectory() ? filesBelow(path) : [path]));
}

export function hashOfFiles(root, files, parts = []) {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part}\n`);
  for (const file of files) hash.update(`${file.slice(root.length)}\n`).update(readFileSync(file));
  return hash.digest('hex');
}

function call(command, arguments_, options = {}) {
  const result = spawnSync(command, arguments_, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (result.error !== undefined) throw new Error(`${command} cannot be run: ${result.error.message}`);
  if (result.status !== 0) throw new Error(`${command} ${arguments_.join(' ')} ended with ${result.status ?? result.signal}:\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** Builds build/addon-portable/griffin.node when its sources changed; returns its path. */
export function buildPortableAddon(root) {
  const out = join(root, 'build', 'addon-portable');
  const binary = join(out, 'griffin.node');
  const stampFile = join(out, 'stamp');
  const sources = join(root, 'runtime', 'native');
  const here = join(root, 'scripts', 'bundle');
  const abi = join(root, 'templates', 'cpu');
  const cxx = process.env.CXX ?? 'c++';
  const stamp = hashOfFiles(root, [...filesBelow(sources), join(abi, 'kernel_abi.h'), ...['glibc_floor.c', 'exports.map', 'addon.mjs'].map((name) => join(here, name))], [
    call(cxx, ['--version']).split('\n')[0],
    packageFolder('node-api-headers'),
    packageFolder('node-addon-api'),
  ]);
  if (existsSync(binary) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return binary;

  console.error('bundle: building the addon for glibc 2.31 (build/addon-portable, about a minute) …');
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const floor = join(out, 'glibc_floor.o');
  call(process.env.CC ?? 'cc', ['-O2', '-fPIC', '-Wall', '-c', join(here, 'glibc_floor.c'), '-o', floor]);
  call('cmake', [
    '-S', sources,
    '-B', out,
    '--no-warn-unused-cli',
    '-DCMAKE_BUILD_TYPE=Release',
    `-DCMAKE_LIBRARY_OUTPUT_DIRECTORY=${out}`,
    `-DCMAKE_JS_INC=${join(packageFolder('node-api-headers'), 'include')}`,
    `-DNODE_ADDON_API_INCLUDE=${packageFolder('node-addon-api')}`,
    `-DKERNEL_ABI_INCLUDE=${abi}`,
    // Only what Node calls is exported, so that the C++ library inside is never mixed with the one that Node has loaded. libgcc_s stays
    // the system's: its unwinder must be the one that fits the system's loader.
    `-DCMAKE_SHARED_LINKER_FLAGS=${floor} -static-libstdc++ -Wl,--gc-sections -Wl,--version-script=${join(here, 'exports.map')}`,
  ]);
  call('cmake', ['--build', out, '--target', 'griffin', '--parallel', '2']);
  call('strip', ['--strip-unneeded', binary]);
  writeFileSync(stampFile, stamp);
  return binary;
}
