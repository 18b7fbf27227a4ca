/** `griffin doctor`: what this machine offers, what is missing, and the command that mends it. */
import type { Command } from 'commander';
import { printJson } from '../output.js';
import { jsonOption, libraryOption } from '../shared-options.js';

export function registerDoctor(program: Command): void {
  program
    .command('doctor')
    .description('what this machine offers, what is missing, and the command that mends it; exit code 1 when generating cannot work')
    .addOption(libraryOption())
    .addOption(jsonOption())
    .action(async (flags: { library?: string; json: boolean }) => {
      const { doctorText, examine } = await import('../doctor/checks.js');
      const report = await examine({ library: flags.library });
      if (flags.json) printJson(report);
      else process.stdout.write(doctorText(report));
      if (!report.ready) process.exitCode = 1;
    });
}
