#!/usr/bin/env node
// Writes docs/cli.md from the command objects. Needs dist/: npm run build:ts
//
//     node scripts/cli-docs.mjs
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const dist = new URL('../dist/cli/', import.meta.url);
if (!existsSync(fileURLToPath(new URL('main.js', dist)))) {
  console.error('cli-docs: dist/ is missing\n  try: npm run build:ts');
  process.exit(1);
}
const { buildProgram } = await import(new URL('main.js', dist).href);
const { renderCommandDocs } = await import(new URL('docs.js', dist).href);
const target = fileURLToPath(new URL('../docs/cli.md', import.meta.url));
writeFileSync(target, renderCommandDocs(buildProgram()));
console.log(`written: ${target}`);
