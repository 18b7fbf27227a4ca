/** `griffin library`: what was tuned, whether it can be used, and how it is joined, given away and cleaned up. */
import { Option, type Command } from 'commander';
import { libraryDirectory } from '../../runtime/paths.js';
import { exportText, healthText, listText, mergeText, pruneText, showText } from '../library/format.js';
import { printJson } from '../output.js';
import { jsonOption, libraryOption } from '../shared-options.js';

interface LibraryFlags {
  readonly library?: string;
  readonly json: boolean;
}

export function registerLibrary(program: Command): void {
  const library = program.command('library').description('list, examine, merge, export and prune libraries of tuned kernels');

  library
    .command('list')
    .description('print the winners: problem, kernel, ratio to the default with its 95 % interval, device, regime, age')
    .addOption(libraryOption())
    .addOption(jsonOption())
    .action(async (flags: LibraryFlags) => {
      const { listWinners } = await import('../../tuning/library/list.js');
      const directory = libraryDirectory(flags.library);
      const winners = listWinners(directory);
      print(flags, { library: directory, winners }, () => listText(directory, winners, new Date()));
    });

  library
    .command('show')
    .description('print everything that is known of winners: where they come from, source, binary, evidence')
    .argument('<pattern>', 'part of a problem or of a kernel id; * stands for anything')
    .addOption(libraryOption())
    .addOption(jsonOption())
    .action(async (pattern: string, flags: LibraryFlags) => {
      const { showWinners } = await import('../../tuning/library/list.js');
      const winners = showWinners(libraryDirectory(flags.library), pattern);
      print(flags, { winners }, () => winners.map(showText).join('\n'));
    });

  library
    .command('doctor')
    .description('examine every entry, journal and file of a library; exit code 1 when something is wrong that `griffin tune` or `griffin library prune` mends')
    .addOption(libraryOption())
    .addOption(jsonOption())
    .action(async (flags: LibraryFlags) => {
      const { examineLibrary } = await import('../../tuning/library/doctor.js');
      const { manifestHash } = await import('../../tuning/library/merge.js');
      const { devicesHere } = await import('../library/devices.js');
      const health = examineLibrary(libraryDirectory(flags.library), { devices: await devicesHere(), formHash: manifestHash() });
      print(flags, health, () => healthText(health));
      if (health.mendedBy.tune + health.mendedBy.prune > 0) process.exitCode = 1;
    });

  library
    .command('merge')
    .description('join libraries and journals into the library --library: the same result in any order; winners are decided anew from all measurements')
    .argument('<source...>', 'library directories, or single journal files')
    .requiredOption('--library <dir>', 'the library to merge into; made when it does not exist')
    .addOption(jsonOption())
    .action(async (sources: string[], flags: LibraryFlags) => {
      const { mergeLibraries } = await import('../../tuning/library/merge.js');
      const report = await mergeLibraries(sources, libraryDirectory(flags.library));
      print(flags, report, () => mergeText(report));
    });

  library
    .command('export')
    .description('copy the winners of one device, with what they need and where they come from, into a new folder that can be given away')
    .requiredOption('--out <dir>', 'the folder to make')
    .option('--device <key>', 'key of the device, as `griffin library list` prints it (default: the only one)')
    .option('--allow-dirty', 'also give away what was measured on a disturbed machine', false)
    .addOption(libraryOption())
    .addOption(jsonOption())
    .action(async (flags: LibraryFlags & { out: string; device?: string; allowDirty: boolean }) => {
      const { exportLibrary } = await import('../../tuning/library/export.js');
      const { manifestHash } = await import('../../tuning/library/merge.js');
      const { out, device, allowDirty } = flags;
      const report = exportLibrary(libraryDirectory(flags.library), { out, allowDirty, formHash: manifestHash(), ...(device === undefined ? {} : { device }) });
      print(flags, report, () => exportText(report));
    });

  library
    .command('prune')
    .description('remove what nothing uses: entries that the runtime refuses, binaries of no winner, compiled candidates, files of killed writers; journals stay')
    .option('--dry-run', 'only say what would be removed', false)
    .addOption(new Option('--keep-candidates', 'leave compiled candidates, so that the next run need not compile them again').default(false))
    .addOption(libraryOption())
    .addOption(jsonOption())
    .action(async (flags: LibraryFlags & { dryRun: boolean; keepCandidates: boolean }) => {
      const { pruneLibrary } = await import('../../tuning/library/prune.js');
      const { manifestHash } = await import('../../tuning/library/merge.js');
      const { dryRun, keepCandidates } = flags;
      const report = await pruneLibrary(libraryDirectory(flags.library), { dryRun, keepCandidates, formHash: manifestHash() });
      print(flags, report, () => pruneText(report));
    });
}

function print(flags: LibraryFlags, value: unknown, text: () => string): void {
  if (flags.json) printJson(value);
  else process.stdout.write(text());
}
