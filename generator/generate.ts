import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { renderLaunchers } from './bindings.js';
import { FAMILIES } from './families/index.js';
import { defaultSources, renderManifest, sourceFiles } from './manifest.js';
import { defaultTemplateRoot } from './templates.js';
import type { Family } from './types.js';

/** Every file of `generated/` by its path there: a function of families and templates alone. */
export function generatedFiles(families: readonly Family[] = FAMILIES, templateRoot = defaultTemplateRoot()): ReadonlyMap<string, string> {
  const sources = defaultSources(families, templateRoot);
  const files = new Map(sourceFiles(sources, templateRoot));
  files.set('manifest.json', renderManifest(families, sources, templateRoot));
  files.set('launchers.ts', renderLaunchers(families));
  return files;
}

export interface GeneratedChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  /** Files that nothing generates any more. */
  readonly stale: readonly string[];
  readonly unchanged: number;
}

/** Compiled from the sources by `griffin kernels fatbins`, beside them: neither written nor deleted here. */
const COMPILED = /^cuda\/([a-z0-9_]+\.fatbin|fatbins\.json)$/;

/** Compares a directory with what should be in it, writing nothing. */
export function compareGenerated(directory: string, files: ReadonlyMap<string, string>): GeneratedChanges {
  const present = listGenerated(directory);
  const added: string[] = [];
  const changed: string[] = [];
  let unchanged = 0;
  for (const [path, text] of files) {
    if (!present.has(path)) added.push(path);
    else if (readFileSync(join(directory, path), 'utf8') !== text) changed.push(path);
    else unchanged++;
  }
  const stale = [...present].filter((path) => !files.has(path) && !COMPILED.test(path));
  return { added: added.sort(), changed: changed.sort(), stale: stale.sort(), unchanged };
}

/** Writes what is missing or different (each file by an atomic rename), deletes what is stale, and says what changed. */
export function writeGenerated(directory: string, files: ReadonlyMap<string, string>): GeneratedChanges {
  const changes = compareGenerated(directory, files);
  for (const path of [...changes.added, ...changes.changed]) {
    const target = join(directory, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(`${target}.tmp`, files.get(path) ?? '');
    renameSync(`${target}.tmp`, target);
  }
  for (const path of changes.stale) rmSync(join(directory, path));
  return changes;
}

function listGenerated(directory: string, dir = directory): Set<string> {
  const found = new Set<string>();
  if (statSync(dir, { throwIfNoEntry: false }) === undefined) return found;
  for (const entry of readdirSync(dir)) {
    const path = join(dir, entry);
    if (statSync(path).isDirectory()) for (const inner of listGenerated(directory, path)) found.add(inner);
    else found.add(relative(directory, path).split(sep).join('/'));
  }
  return found;
}

/** The first difference of two texts, as a few lines of both. */
export function firstDifference(before: string, after: string, context = 2): string {
  const [old, now] = [before.split('\n'), after.split('\n')];
  let at = 0;
  while (at < old.length && at < now.length && old[at] === now[at]) at++;
  const start = Math.max(0, at - context);
  const lines = [`@@ line ${at + 1} @@`];
  for (let i = start; i < at; i++) lines.push(`  ${old[i] ?? ''}`);
  for (let i = at; i < Math.min(at + 3, old.length); i++) lines.push(`- ${old[i] ?? ''}`);
  for (let i = at; i < Math.min(at + 3, now.length); i++) lines.push(`+ ${now[i] ?? ''}`);
  return lines.join('\n');
}
