// Lets the tuner's worker run from the TypeScript sources (in tests): the compiled package does not need it.
// Registers module hooks that find `x.ts` for `./x.js` and strip the types.
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

// Stripped sources by content: loading the TypeScript compiler costs a second, and a test starts many workers.
const CACHE = new URL('../build/source-loader/', import.meta.url);

if (isMainThread) register(import.meta.url);

export async function resolve(specifier, context, next) {
  if (/^(\.|file:)/.test(specifier) && specifier.endsWith('.js')) {
    const source = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL);
    if (existsSync(fileURLToPath(source)) && !existsSync(fileURLToPath(new URL(specifier, context.parentURL)))) {
      return { url: source.href, shortCircuit: true };
    }
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  const source = readFileSync(fileURLToPath(url), 'utf8');
  const kept = new URL(`${createHash('sha1').update(url).update(source).digest('hex')}.mjs`, CACHE);
  if (existsSync(kept)) return { format: 'module', source: readFileSync(kept, 'utf8'), shortCircuit: true };
  const { default: ts } = await import('typescript');
  const { outputText } = ts.transpileModule(source, {
    fileName: fileURLToPath(url),
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, inlineSourceMap: true },
  });
  mkdirSync(CACHE, { recursive: true });
  const temporary = new URL(`${randomUUID()}.tmp`, CACHE);
  writeFileSync(temporary, outputText);
  renameSync(temporary, kept);
  return { format: 'module', source: outputText, shortCircuit: true };
}
