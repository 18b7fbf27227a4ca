import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compilerFlags } from '../../generator/isa.js';
import { renderPrelude } from '../../generator/render.js';
import { CPU_ISAS, type CpuIsa } from '../../generator/types.js';
import { cpuIdentity } from '../../runtime/device/cpu-info.js';
import { findCompiler } from '../../tuning/compiler.js';
import { temporaryDirectories } from '../support/temp-dir.js';

const temporary = temporaryDirectories('simd');
const program = readFileSync(join(import.meta.dirname, 'simd.cc'), 'utf8');
const available = new Set(cpuIdentity().isas);

/** Compiles simd.cc against the rendered prelude of an instruction set and runs it; its output lists what is wrong. */
async function run(isa: CpuIsa): Promise<{ readonly status: number | null; readonly output: string }> {
  const directory = temporary();
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'prelude.h'), renderPrelude(isa));
  writeFileSync(join(directory, 'simd.cc'), program);
  const { path } = await findCompiler();
  const flags = compilerFlags(isa).filter((flag) => flag !== '-shared');
  const compiled = spawnSync(path, [...flags, '-w', 'simd.cc', '-o', 'simd', '-lm'], { cwd: directory, encoding: 'utf8' });
  if (compiled.status !== 0) return { status: compiled.status, output: compiled.stderr };
  const ran = spawnSync(join(directory, 'simd'), { encoding: 'utf8' });
  return { status: ran.status, output: ran.stdout };
}

describe('SIMD layer', () => {
  for (const isa of CPU_ISAS.filter((name) => available.has(name))) {
    it(`${isa}: elementary functions, tails, orders and conversions`, async () => {
      expect(await run(isa)).toEqual({ status: 0, output: '' });
    });
  }
});
