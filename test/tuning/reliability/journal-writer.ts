/** A process that writes many lines into a journal, as fast as it can: `node … journal-writer.ts PATH NAME COUNT TORN`. */
import { appendFileSync } from 'node:fs';
import { openJournal } from '../../../tuning/journal/journal.js';
import { header, key } from '../journal/support.js';

const [path = '', name = '', count = '0', torn = '0'] = process.argv.slice(2);
const journal = openJournal(path, { header });
for (let i = 0; i < Number(count); i++) {
  // As a process leaves behind that was killed, or ran out of disk, within a line.
  if (Number(torn) > 0 && i % Number(torn) === 0) appendFileSync(path, `{"schema":2,"kind":"outcome","run":"torn ${name} ${i}","at":"20`);
  journal.outcome(key(`${name}${i}`), { state: 'ok', message: 'x'.repeat((i * 37) % 300), samplesNs: [i + 1], referenceNs: [1] });
}
journal.end('done', false);
journal.close();
