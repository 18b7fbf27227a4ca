/** The commands, in the order in which help lists them. Each file exports `register<Name>(program)` and owns its command wholly. */
import type { Command } from 'commander';

export function registerCommands(program: Command): void {
  void program;
}
