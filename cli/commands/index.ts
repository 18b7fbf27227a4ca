/** The commands, in the order in which help lists them. Each file exports `register<Name>(program)` and owns its command wholly. */
import type { Command } from 'commander';
import { registerBench } from './bench.js';
import { registerDoctor } from './doctor.js';
import { registerGenerate } from './generate.js';
import { registerKernels } from './kernels.js';
import { registerLibrary } from './library.js';
import { registerReport } from './report.js';
import { registerTune } from './tune.js';
import { registerVerify } from './verify.js';

export function registerCommands(program: Command): void {
  registerGenerate(program);
  registerTune(program);
  registerVerify(program);
  registerBench(program);
  registerReport(program);
  registerLibrary(program);
  registerKernels(program);
  registerDoctor(program);
}
