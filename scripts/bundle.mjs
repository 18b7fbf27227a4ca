#!/usr/bin/env node
// Makes the self-contained bundle for Linux x86-64: a folder and a tarball with Node, the built program, the addon, the compiled default
// kernels, templates, the demo model and the benchmark's scripts. Runs on a machine without Node, npm, compiler or network.
//
//     npm run bundle                                      builds first
//     node scripts/bundle.mjs [--out DIR] [--no-archive]  from what is built; DIR defaults to dist-bundle
//
// Writes DIR/griffin-kernels-linux-x64/ and DIR/griffin-kernels-linux-x64.tar.xz. Nothing is done when nothing changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildPortableAddon, filesBelow, hashOfFiles } from './bundle/addon.mjs';
import { GLIBC_FLOOR, neededLibraries, requireFloor } from './bundle/libraries.mjs';
import { copyPackage, neededPackages } from './bundle/modules.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const NAME = 'griffin-kernels-linux-x64';
const MOST_ARCHIVE_BYTES = 40e6;
/** Node's build of the C library is the system's business; these come with it. */
const SYSTEM_LIBRARIES = /^(lib(c|m|dl|pthread|rt|gcc_s|stdc\+\+)\.so\.\d+|ld-linux-x86-64\.so\.2)$/;
const CPU_ISAS = ['portable', 'avx2', 'avx512', 'avx512bf16'];

function fail(message) {
  console.error(`bundle: ${message}`);
  process.exit(1);
}

function options() {
  const found = { out: join(root, 'dist-bundle'), archive: true };
  const given = process.argv.slice(2);
  for (let i = 0; i < given.length; i++) {
    if (given[i] === '--no-archive') found.archive = false;
    else if (given[i] === '--out' && given[i + 1] !== undefined) found.out = resolve(given[++i]);
    else fail(`unknown option ${given[i]}\n  try: node scripts/bundle.mjs [--out DIR] [--no-archive]`);
  }
  return found;
}

function requireBuilt() {
  if (process.platform !== 'linux' || process.arch !== 'x64') fail(`the bundle is for Linux x86-64 and made there; this is ${process.platform} ${process.arch}`);
  for (const path of ['dist/cli/main.js', 'build/kernels/index.json', 'generated/manifest.json', 'node_modules']) {
    if (!existsSync(join(root, path))) fail(`${path} is missing\n  try: npm ci && npm run build`);
  }
}

/** Files of the checkout that go into the bundle as they are, by folder. */
function inputs() {
  const within = (folder, keep = () => true) => (existsSync(join(root, folder)) ? filesBelow(join(root, folder)).filter(keep) : []);
  return [
    ...within('dist', (file) => extname(file) === '.js'),
    ...within('templates'),
    ...within('generated', (file) => extname(file) !== '.ts'),
    ...within('models'),
    ...within('docs'),
    ...within('scripts/peers', (file) => extname(file) === '.py'),
    join(root, 'cli', 'griffin.mjs'),
    join(root, 'LICENSE'),
  ];
}

function copy(file, to) {
  mkdirSync(dirname(to), { recursive: true });
  cpSync(file, to);
}

function run(command, arguments_) {
  const result = spawnSync(command, arguments_, { encoding: 'utf8' });
  if (result.error !== undefined) fail(`${command} cannot be run: ${result.error.message}`);
  if (result.status !== 0) fail(`${command} fails: ${result.stderr.trim()}`);
}

/** The running Node without its symbol table, and the licence that goes with it. */
function addNode(stage) {
  const binary = join(stage, 'bin', 'node');
  mkdirSync(dirname(binary), { recursive: true });
  run('strip', ['-o', binary, process.execPath]);
  chmodSync(binary, 0o755);
  const licence = [join(dirname(process.execPath), '..', 'LICENSE'), '/usr/share/doc/nodejs/LICENSE'].find((path) => existsSync(path));
  if (licence === undefined) fail('the licence of Node.js is not beside it, and must go with it');
  copy(licence, join(stage, 'bin', 'LICENSE.node'));
}

/** Compiled default kernels of the CPU's instruction sets, with the index cut to them. */
function addKernels(stage) {
  const from = join(root, 'build', 'kernels');
  const index = JSON.parse(readFileSync(join(from, 'index.json'), 'utf8'));
  const isas = Object.fromEntries(CPU_ISAS.filter((isa) => index.isas[isa] !== undefined).map((isa) => [isa, index.isas[isa]]));
  const absent = CPU_ISAS.filter((isa) => isas[isa] === undefined);
  if (absent.length > 0) console.error(`bundle: no compiled kernels for ${absent.join(', ')}: this CPU does not have them; such machines will use the next weaker set`);
  for (const { file } of Object.values(isas).flat()) copy(join(from, file), join(stage, 'build', 'kernels', file));
  writeFileSync(join(stage, 'build', 'kernels', 'index.json'), `${JSON.stringify({ ...index, isas }, null, 1)}\n`);
}

/** Everything that the loader will open must run on the promised system. */
function checkBinaries(stage) {
  const binaries = [join(stage, 'bin', 'node'), ...filesBelow(join(stage, 'build')).filter((file) => /\.(node|so)$/.test(file))];
  const newest = binaries.map((file) => {
    const shown = file.slice(stage.length + 1);
    const foreign = neededLibraries(file).filter((library) => !SYSTEM_LIBRARIES.test(library));
    if (foreign.length > 0) throw new Error(`${shown} needs ${foreign.join(', ')}, which a bare system does not have`);
    return requireFloor(file, shown);
  });
  console.error(`bundle: ${binaries.length} binaries need at most glibc ${newest.sort((a, b) => Number(b.split('.')[1]) - Number(a.split('.')[1]))[0]} (promised: ${GLIBC_FLOOR.join('.')})`);
}

function makeFolder(stage, addon) {
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  const files = inputs();
  for (const file of files) copy(file, join(stage, file.slice(root.length + 1)));
  const packages = neededPackages(root, [...files.filter((file) => /\.m?js$/.test(file)), join(root, 'cli', 'griffin.mjs')]);
  for (const name of packages) copyPackage(root, name, stage);
  const { name, version, description, license, type, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify({ name, version, description, license, type, exports, private: true }, null, 2)}\n`);
  copy(addon, join(stage, 'build', 'addon', 'Release', 'griffin.node'));
  addKernels(stage);
  addNode(stage);
  copy(join(root, 'scripts', 'bundle', 'griffin.sh'), join(stage, 'griffin'));
  chmodSync(join(stage, 'griffin'), 0o755);
  copy(join(root, 'scripts', 'bundle', 'README.md'), join(stage, 'README.md'));
  checkBinaries(stage);
  console.error(`bundle: npm packages: ${packages.join(', ')}`);
}

const bytes = (files) => files.reduce((sum, file) => sum + statSync(file).size, 0);
const megabytes = (count) => `${(count / 1e6).toFixed(1)} MB`;

/** xz: gzip leaves Node alone at 32 MB. The x86 filter and a window as large as Node save a megabyte. */
function makeArchive(out) {
  const archive = join(out, `${NAME}.tar.xz`);
  const partial = `${archive}.partial`;
  const command = 'tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$1" -cf - "$2" | xz --x86 --lzma2=preset=6,dict=64MiB -T1 > "$3"';
  run('bash', ['-o', 'pipefail', '-c', command, 'bundle', out, NAME, partial]);
  renameSync(partial, archive);
  const size = statSync(archive).size;
  const digest = createHash('sha256').update(readFileSync(archive)).digest('hex');
  writeFileSync(`${archive}.sha256`, `${digest}  ${NAME}.tar.xz\n`);
  console.log(`${archive}: ${megabytes(size)}`);
  if (size > MOST_ARCHIVE_BYTES) fail(`the archive has ${megabytes(size)}, at most ${megabytes(MOST_ARCHIVE_BYTES)} are allowed`);
}

const { out, archive } = options();
requireBuilt();
try {
  const stage = join(out, NAME);
  const stampFile = `${stage}.stamp`;
  const addon = buildPortableAddon(root);
  const sources = [...inputs(), addon, join(root, 'build/kernels/index.json'), join(root, 'package-lock.json'), ...filesBelow(join(root, 'scripts', 'bundle')), fileURLToPath(import.meta.url)];
  const stamp = hashOfFiles(root, sources, [process.version, process.execPath]);
  const fresh = existsSync(stage) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  if (!fresh) {
    rmSync(stampFile, { force: true });
    rmSync(join(out, `${NAME}.tar.xz`), { force: true });
    const partial = join(out, `.${NAME}.partial`);
    makeFolder(partial, addon);
    rmSync(stage, { recursive: true, force: true });
    renameSync(partial, stage);
    writeFileSync(stampFile, stamp);
  }
  console.log(`${stage}: ${megabytes(bytes(filesBelow(stage)))}${fresh ? ', up to date' : ''}`);
  if (archive && !existsSync(join(out, `${NAME}.tar.xz`))) makeArchive(out);
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
}
