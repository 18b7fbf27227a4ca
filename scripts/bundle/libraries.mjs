// Which versions of the system's libraries a binary needs, read with objdump.
import { spawnSync } from 'node:child_process';

/** The oldest C library that the bundle promises to run on. */
export const GLIBC_FLOOR = [2, 31];

/** What a machine with that C library has of the GNU C++ runtime (GCC 10), for binaries that use it from the system. */
const CXX_FLOOR = { GLIBCXX: [3, 4, 28], CXXABI: [1, 3, 12], GCC: [7, 0, 0] };

function objdump(arguments_, file) {
  const result = spawnSync('objdump', [...arguments_, file], { encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.error !== undefined) throw new Error(`objdump cannot be run (${result.error.message}); it belongs to binutils`);
  if (result.status !== 0) throw new Error(`objdump fails for ${file}: ${result.stderr.trim()}`);
  return result.stdout;
}

/** Undefined symbols with the version that they are bound to: `{ symbol: 'dlopen', name: 'GLIBC', version: [2, 34] }`. */
export function neededSymbols(file) {
  return parseSymbols(objdump(['-T', '-w'], file));
}

/** Exported for its test: `text` is what `objdump -T -w` prints. */
export function parseSymbols(text) {
  return text.split('\n').flatMap((line) => {
    const match = /\*UND\*\s+[0-9a-f]+\s+\(?(GLIBC|GLIBCXX|CXXABI|GCC)_([0-9.]+)\)?\s+(\S+)/.exec(line);
    return match === null ? [] : [{ symbol: match[3], name: match[1], version: match[2].split('.').map(Number) }];
  });
}

/** Shared libraries that the loader will look for. */
export function neededLibraries(file) {
  return [...objdump(['-p'], file).matchAll(/^\s+NEEDED\s+(\S+)/gm)].map((match) => match[1]);
}

function isNewer(version, floor) {
  for (let i = 0; i < Math.max(version.length, floor.length); i++) {
    const difference = (version[i] ?? 0) - (floor[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

/** Symbols that the promised system lacks, as `dlopen@GLIBC_2.34`. */
export function tooNew(symbols) {
  const floors = { ...CXX_FLOOR, GLIBC: GLIBC_FLOOR };
  return symbols.filter(({ name, version }) => isNewer(version, floors[name])).map(({ symbol, name, version }) => `${symbol}@${name}_${version.join('.')}`);
}

/** Newest glibc version among the symbols, for the summary. */
export function newestGlibc(symbols) {
  const versions = symbols.filter(({ name }) => name === 'GLIBC').map(({ version }) => version);
  return versions.reduce((newest, version) => (isNewer(version, newest) ? version : newest), [2, 0]).join('.');
}

/** Throws when `file` could not be loaded on the promised system, naming every symbol in the way. */
export function requireFloor(file, shown) {
  const symbols = neededSymbols(file);
  const newer = tooNew(symbols);
  if (newer.length > 0) {
    throw new Error(`${shown} needs symbols newer than glibc ${GLIBC_FLOOR.join('.')} has: ${newer.join(', ')}\n  try: forward them in scripts/bundle/glibc_floor.c`);
  }
  return newestGlibc(symbols);
}
