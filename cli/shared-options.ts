/** Options that several commands share, so that they read the same everywhere. Each call makes a new Option: commander keeps state in them. */
import { Option } from 'commander';
import { integer } from './options.js';

export const deviceOption = (): Option => new Option('--device <name>', 'device to run on: cpu, cpu:<instruction set> (cpu:avx2), cuda:<index>, or emulated, a GPU in software for tests; ,eager behind cuda:0 or emulated:sm90 leaves out graphs').default('cpu');
export const threadsOption = (): Option => new Option('--threads <n>', 'threads of the CPU that run kernels (default: one per core)').argParser(integer(1, 1024));
export const libraryOption = (): Option =>
  new Option('--library <dir>', 'tuned kernels (default: $GRIFFIN_KERNELS_HOME, else griffin-kernels in the user’s cache folder)');
export const jsonOption = (): Option => new Option('--json', 'print one JSON object on standard output and nothing else there').default(false);
