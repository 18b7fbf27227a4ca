import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The package's root directory, whether this file runs from the sources or from `dist/`. */
export function packageRoot(): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    const file = join(dir, 'package.json');
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'griffin-kernels') return dir;
    if (dirname(dir) === dir) throw new Error(`package.json of griffin-kernels not found above ${fileURLToPath(import.meta.url)}`);
  }
}

/** The package's version, e.g. `0.1.0`. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}

/**
 * Makes a directory and those above it; one that exists is fine. Folder by folder, because Node's own recursive mkdir calls a read-only
 * file system "no such file" and never returns where a folder cannot be made, as under /proc. Throws the system's error.
 */
export function makeDirectory(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process may have been faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}

/** Where a user's tuned kernels live: `explicit`, else `$GRIFFIN_KERNELS_HOME`, else a per-user cache directory. */
export function libraryDirectory(explicit?: string): string {
  if (explicit !== undefined && explicit !== '') return explicit;
  const fromEnvironment = process.env['GRIFFIN_KERNELS_HOME'];
  if (fromEnvironment !== undefined && fromEnvironment !== '') return fromEnvironment;
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'griffin-kernels');
}
