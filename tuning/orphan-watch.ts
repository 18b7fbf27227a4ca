/** Ends a child process whose parent has died, even while its own event loop hangs: a thread looks after it. */
import { Worker } from 'node:worker_threads';

/** Milliseconds between looks. A look costs microseconds, which no measurement shows. */
const EVERY_MS = 500;

/** Runs as text, because a thread cannot load sources whose types have to be stripped. */
const WATCH = `
const { workerData } = require('node:worker_threads');
setInterval(() => {
  if (process.ppid !== workerData.parent) process.kill(process.pid, 'SIGKILL');
}, workerData.everyMs);
`;

/**
 * From now on this process is killed, with SIGKILL and within a second, when the process that started it is gone. An event such as
 * `disconnect` is not enough: code that never returns keeps it from being heard.
 */
export function endWhenOrphaned(parent = process.ppid): void {
  const watch = new Worker(WATCH, { eval: true, workerData: { parent, everyMs: EVERY_MS }, execArgv: [], stderr: true, stdout: true });
  watch.unref();
}
