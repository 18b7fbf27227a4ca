// Which npm packages the built program loads, and what of them it takes along.
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { dirname, extname, join, sep } from 'node:path';
import { filesBelow } from './addon.mjs';

/** ts-morph (and TypeScript with it) is loaded by `griffin kernels generate` alone, a command for checkouts; examples in comments import the package itself. */
const LEFT_OUT = new Set(['ts-morph', 'griffin-kernels']);
const KEPT = new Set(['.js', '.cjs', '.mjs', '.json']);
const LICENCE = /^(licen[cs]e|notice|copying)(\.|$)/i;

/** Bare names imported by JavaScript text: `zod`, `@huggingface/jinja`. */
export function importedPackages(text) {
  const names = new Set();
  for (const [, specifier] of text.matchAll(/(?:^|[\s;}])(?:import|from|import\()\s*\(?['"]([^'"\n]+)['"]/gm)) {
    if (/^[@a-z]/i.test(specifier) && !specifier.startsWith('node:')) names.add(specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/'));
  }
  return names;
}

/** Packages that files import, those that these depend on included, minus what the bundle leaves out. */
export function neededPackages(root, files) {
  const needed = new Set();
  const add = (name) => {
    if (needed.has(name) || LEFT_OUT.has(name)) return;
    const manifest = join(root, 'node_modules', name, 'package.json');
    if (!existsSync(manifest)) throw new Error(`the npm package ${name} is not installed\n  try: npm ci`);
    needed.add(name);
    Object.keys(JSON.parse(readFileSync(manifest, 'utf8')).dependencies ?? {}).forEach(add);
  };
  for (const file of files) importedPackages(readFileSync(file, 'utf8')).forEach(add);
  return [...needed].sort();
}

/** Whether a package's own manifest sends an import into one of its folders. */
export function loadsFrom(packageFolder, inside) {
  const { exports, module, main } = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'));
  return JSON.stringify([exports, module, main]).match(/"(?:\.\/)?([^"/]+)\/[^"]*"/g)?.some((path) => path.replace(/^"(\.\/)?/, '').startsWith(`${inside}/`)) ?? false;
}

/** Copies what Node can load of a package, and its licence: no types, maps, sources (unless they are what is loaded), tests, documentation. */
export function copyPackage(root, name, target) {
  const folder = join(root, 'node_modules', name);
  for (const file of filesBelow(folder)) {
    const inside = file.slice(folder.length + 1);
    const [first] = inside.split(sep);
    if (first === 'node_modules' || (first === 'src' && !loadsFrom(folder, 'src')) || first === 'test' || first === 'tests' || first === 'types') continue;
    const base = inside.slice(inside.lastIndexOf(sep) + 1);
    if (!(KEPT.has(extname(base)) || LICENCE.test(base)) || /\.(amd|amd\.min|min)\.js$/.test(base) || inside.startsWith(join('dist', 'amd'))) continue;
    const to = join(target, 'node_modules', name, inside);
    cpSync(file, to, { recursive: true });
  }
  return dirname(join(target, 'node_modules', name, 'package.json'));
}
