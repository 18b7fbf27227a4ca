/**
 * A process of its own that writes into a library: arguments are the library, a name, and how many updates to make. Begins when its
 * standard input is closed. Ends with exit code 3 and the message when the library cannot be written.
 */
import { FileError } from '../../../../runtime/errors.js';
import { openLibraryWriter } from '../../../../tuning/library/writer.js';
import { newWinner, testDevice } from './library.js';

const [directory = '', name = '', count = '0'] = process.argv.slice(2);
const writer = openLibraryWriter(directory);
process.stdout.write('open\n');
await new Promise((resolve) => process.stdin.on('end', resolve).resume());
try {
  for (let i = 0; i < Number(count); i++) {
    // Every update has a problem of its own, and one that both processes work on, at ratios that depend on the process.
    const own = newWinner(directory, `own_${name}_${i}`, { dims: { n: 1000 + i }, family: `family_${name}`, run: name });
    const shared = newWinner(directory, `shared_${name}`, { dims: { n: i }, run: name, ratio: { median: name === 'a' ? 0.5 : 0.6, low: 0.4, high: 0.7 } });
    await writer.update({ device: testDevice(), winners: [own, shared], decisions: [] });
  }
} catch (error) {
  if (!(error instanceof FileError)) throw error;
  process.stdout.write(error.message);
  process.exitCode = 3;
}
