/**
 * Entry point of the tuner's child process: a candidate that crashes or hangs costs this process, not the tuner.
 * Arguments: the URL of the module that exports `environment`, and a DeviceRequest as JSON.
 */
import type { DeviceRequest, TuningEnvironment } from './environment.js';
import { endWhenOrphaned } from './orphan-watch.js';
import type { FromWorker, ToWorker, WorkerJob } from './protocol.js';
import { openSession, type QuietSection, type Session } from './session.js';

function send(message: FromWorker): void {
  process.send?.(message);
}

/** Resolves when the message has left this process: what follows may kill it. */
function sendNow(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, {}, () => resolve());
  });
}

function fail(id: number | null, error: unknown): void {
  send({ type: 'failed', id, name: error instanceof Error ? error.name : 'Error', message: error instanceof Error ? error.message : String(error) });
}

async function perform(session: Session, id: number, job: WorkerJob): Promise<void> {
  switch (job.type) {
    case 'prepare':
      await session.prepare(job.problem, job.seed);
      send({ type: 'prepared', id });
      return;
    case 'evaluate': {
      await sendNow({ type: 'running', id, kernelId: job.request.candidate.kernelId });
      const { deviceLost, ...reply } = await session.evaluate(job.request);
      send({ type: 'evaluated', id, reply, ...(deviceLost === undefined ? {} : { deviceLost }) });
      return;
    }
    case 'final': {
      let last = '';
      const onKernel = (kernelId: string): void => {
        if (kernelId !== last) send({ type: 'running', id, kernelId });
        last = kernelId;
      };
      send({ type: 'finished', id, reply: await session.final(job.request, onKernel) });
      return;
    }
    case 'verify': {
      const { kernelId } = job.request.candidate;
      send({ type: 'verified', id, reply: await session.verify(job.request, (detail) => sendNow({ type: 'running', id, kernelId, detail })) });
    }
  }
}

/** The running job, and what was stopped for it. Jobs run one at a time. */
const running: { id: number; groups: readonly number[]; answered: (() => void) | null } = { id: 0, groups: [], answered: null };

/** Asks the tuner to stop its compilers while samples are taken. */
const quiet: QuietSection = {
  begin() {
    send({ type: 'quiet', id: running.id });
    return new Promise((resolve) => {
      running.answered = resolve;
    });
  },
  end() {
    running.groups = [];
    send({ type: 'loud', id: running.id });
  },
};

/** The tuner is gone. A kernel that hangs must not keep this process alive, so no orderly shutdown; and what it stopped would stay stopped for ever. */
function endWithTuner(): void {
  for (const group of running.groups) {
    try {
      process.kill(-group, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  process.kill(process.pid, 'SIGKILL');
}

async function main(): Promise<void> {
  const [moduleUrl = '', requestText = '{}'] = process.argv.slice(2);
  // Ctrl-C reaches the whole process group; only the tuner decides when this process ends.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', endWithTuner);
  endWhenOrphaned();
  let session: Session;
  try {
    const { environment } = (await import(moduleUrl)) as { environment: TuningEnvironment };
    session = await openSession(environment, JSON.parse(requestText) as DeviceRequest, quiet);
  } catch (error) {
    fail(null, error);
    return;
  }
  let queue = Promise.resolve();
  process.on('message', (message: ToWorker) => {
    if ('quietFor' in message) {
      running.groups = message.groups;
      running.answered?.();
      running.answered = null;
      return;
    }
    queue = queue.then(() => {
      running.id = message.id;
      return perform(session, message.id, message.job).catch((error: unknown) => fail(message.id, error));
    });
  });
  send({ type: 'ready', info: session.info });
}

await main();
