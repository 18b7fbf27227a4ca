#!/usr/bin/env node
// Entry point of the `griffin` command. The program itself is TypeScript, compiled into dist/ by `npm run build`.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (!existsSync(fileURLToPath(main))) {
  process.stderr.write(`griffin: ${fileURLToPath(main)} is missing: the program has not been built yet\n  try: npm ci && npm run build\n`);
  process.exit(1);
}
const { run } = await import(main.href);
await run(process.argv);
