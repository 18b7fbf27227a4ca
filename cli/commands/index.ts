/** The commands, in the order in which help lists them. Each file exports `register<Name>(program)` and owns its command wholly. */
import type { Command } from 'commander';
import { registerKernels } from './kernels.js';

export function registerCommands(program: Command): void {
  registerKernels(program);
}
