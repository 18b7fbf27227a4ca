/**
 * The `griffin` program: registers the commands, turns errors into messages and exit codes.
 * Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted after a clean stop.
 */
import { writeSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../runtime/paths.js';
import { exitCodeOf, reportError } from './report-error.js';
import { registerCommands } from './commands/index.js';

/** The whole command tree, without side effects: the documentation is rendered from it too. */
export function buildProgram(): Command {
  const program = new Command('griffin')
    .description('GRIFFIN text generation with generated, tuned kernels: half of the feed-forward neurons, chosen by the prompt, write the text.')
    .version(packageVersion(), '-V, --version', 'print the version and exit')
    .helpOption('-h, --help', 'print help and exit')
    .helpCommand(false)
    .showHelpAfterError('(griffin <command> --help lists the options)')
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted (after a clean stop).\nDEBUG=griffin adds stack traces to errors.');
  registerCommands(program);
  overrideExits(program);
  return program;
}

/** Makes commander throw instead of exiting, in every subcommand. */
function overrideExits(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) overrideExits(child);
}

/** Parses and runs; resolves with the exit code. Never throws. */
export async function execute(argv: readonly string[]): Promise<number> {
  const json = argv.includes('--json');
  try {
    await buildProgram().parseAsync([...argv]);
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError && !(error.code === 'commander.help' && error.exitCode !== 0)) {
      // commander has printed its own message (or the help or version that was asked for).
      if (error.exitCode === 0) return 0;
      if (json) reportError(error, { json, quiet: true });
      return 2;
    }
    if (!(error instanceof CommanderError)) reportError(error, { json, quiet: false });
    return exitCodeOf(error);
  }
}

/** What cli/griffin.mjs calls. */
export async function run(argv: readonly string[]): Promise<void> {
  // A reader that goes away (`griffin … | head`) ends the program quietly.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    // Standard error may be gone as well; the exit code still says that the output is not whole.
    try {
      writeSync(2, `griffin: standard output cannot be written: ${error.message}\n`);
    } finally {
      process.exit(1);
    }
  });
  process.exitCode = await execute(argv);
}
