/** Prints its process id and never returns to its event loop. */
import { writeSync } from 'node:fs';
import { endWhenOrphaned } from '../../../tuning/orphan-watch.js';

endWhenOrphaned();
writeSync(1, `${process.pid}\n`);
for (;;);
