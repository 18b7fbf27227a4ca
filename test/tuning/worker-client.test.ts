import { fork, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { FileError } from '../../runtime/errors.js';
import type { EvaluateRequest } from '../../tuning/protocol.js';
import { createWorker, type QuietGate, type TuningWorker } from '../../tuning/worker-client.js';
import { MODES, toyProblem, type Mode } from './support/toy-family.js';

const environmentUrl = new URL('./support/toy-environment.ts', import.meta.url).href;
const binary = (mode: Mode) => ({ kernelId: `toy_scale__any__portable__mode${mode}`, path: '/toy.so' });
const request = (mode: Mode, change: Partial<EvaluateRequest> = {}): EvaluateRequest => ({
  problem: toyProblem, candidate: binary(mode), standard: binary(MODES.good), formVerified: false, verified: false, bestRatio: null, samples: 3, control: null, seed: 1, ...change,
});

let worker: TuningWorker | undefined;
let child: ChildProcess | undefined;
afterEach(async () => {
  await worker?.close();
  child?.kill('SIGKILL');
});

const open = (gate?: QuietGate): TuningWorker => (worker = createWorker({ environmentUrl, device: {}, ...(gate === undefined ? {} : { gate }) }));

function loggingGate() {
  const log: string[] = [];
  return { log, gate: { pause: () => (log.push('pause'), []), resume: () => void log.push('resume') } };
}

describe('worker', { timeout: 60_000 }, () => {
  it('answers how an evaluation was taken', async () => {
    const reply = await open().evaluate(request(MODES.faster), 30_000);
    expect(reply).toMatchObject({ outcome: { state: 'ok', samplesNs: [800, 800, 800], referenceNs: [1000, 1000, 1000] }, retaken: 0 });
    expect(reply.conditions).not.toBeNull();
  });

  it('calls death and hanging what they are, in verification and in timing, and goes on', async () => {
    const { log, gate } = loggingGate();
    const running = open(gate);
    expect(await running.evaluate(request(MODES.segfaults), 30_000)).toMatchObject({ outcome: { state: 'crashed' }, conditions: null, retaken: 0, dirty: false });
    expect(log).toEqual([]);
    expect((await running.evaluate(request(MODES.hangs, { verified: true }), 2_000)).outcome).toEqual({ state: 'timed-out', message: 'stopped after 2000 ms' });
    expect((await running.evaluate(request(MODES.segfaults, { verified: true }), 30_000)).outcome.state).toBe('crashed');
    expect(log).toEqual(['pause', 'resume', 'pause', 'resume']);
    expect((await running.evaluate(request(MODES.good), 30_000)).outcome.state).toBe('ok');
  });

  it('pauses around samples, also of a final, and resumes at once', async () => {
    const { log, gate } = loggingGate();
    const running = open(gate);
    await running.evaluate(request(MODES.faster), 30_000);
    expect(log).toEqual(['pause', 'resume']);
    await running.evaluate(request(MODES.leavesUnwritten), 30_000);
    expect(log).toHaveLength(2);
    await running.final({ problem: toyProblem, kernels: [binary(MODES.good)], control: null, rounds: 3, seed: 2, launch: 'replay' }, 30_000);
    expect(log).toEqual(['pause', 'resume', 'pause', 'resume']);
  });

  it('takes a fault of the device in a final for the end of the kernel that ran, and starts another worker', async () => {
    worker = createWorker({ environmentUrl: new URL('./support/toy-faulty-environment.ts', import.meta.url).href, device: {} });
    const final = (kernels: readonly Mode[]) => worker?.final({ problem: toyProblem, kernels: kernels.map(binary), control: null, rounds: 3, seed: 1, launch: 'replay' }, 30_000);
    expect(await final([MODES.good, MODES.faster])).toEqual({
      state: 'crashed', kernelId: binary(MODES.faster).kernelId, message: 'in the final: an illegal memory access',
    });
    expect(await final([MODES.good])).toMatchObject({ state: 'ok' });
  });

  it('ends the job when the gate fails', async () => {
    const broken = { pause: () => Promise.reject(new Error('cannot stop them')), resume: () => undefined };
    await expect(open(broken).evaluate(request(MODES.good), 30_000)).rejects.toThrow('cannot stop them');
  });

  it('says that an expert trace cannot be read', async () => {
    worker = createWorker({ environmentUrl, device: { experts: '/nowhere/experts.jsonl' } });
    await expect(worker.info()).rejects.toThrow(FileError);
    await expect(worker.info()).rejects.toThrow(/cannot read the expert trace \/nowhere\/experts.jsonl/);
  });
});

/** One letter as in `ps`, or null when there is no such process (a zombie is none: it only waits for its parent to notice). */
function stateOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const state = stat.slice(stat.lastIndexOf(')') + 2)[0] ?? null;
    return state === 'Z' ? null : state;
  } catch {
    return null;
  }
}

async function becomes(pid: number, wanted: (state: string | null) => boolean): Promise<string | null> {
  for (let i = 0; i < 500 && !wanted(stateOf(pid)); i++) await sleep(20);
  return stateOf(pid);
}

describe.runIf(process.platform === 'linux')('quiet sections', { timeout: 60_000 }, () => {
  it('stop a process group and let it go on', async () => {
    const compiler = (child = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }));
    const group = compiler.pid as number;
    let stopped: string | null = null;
    const gate = {
      async pause() {
        process.kill(-group, 'SIGSTOP');
        stopped = await becomes(group, (state) => state === 'T');
        return [group];
      },
      resume: () => void process.kill(-group, 'SIGCONT'),
    };
    expect((await open(gate).evaluate(request(MODES.good), 30_000)).outcome.state).toBe('ok');
    expect(stopped).toBe('T');
    expect(await becomes(group, (state) => state === 'S')).toBe('S');
  });

  it('leave nothing stopped behind when the tuner is killed: the worker ends the group, then itself', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'griffin-quiet-'));
    const pidFile = join(directory, 'pid');
    try {
      const tuner = (child = fork(fileURLToPath(new URL('./support/dying-tuner.ts', import.meta.url)), [], {
        execArgv: ['--import', new URL('../../tuning/source-loader.mjs', import.meta.url).href],
        stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
        env: { ...process.env, GRIFFIN_TOY_PID_FILE: pidFile },
      }));
      const exited = new Promise<string | null>((resolve) => tuner.once('exit', (_code, signal) => resolve(signal)));
      const group = await new Promise<number>((resolve) => tuner.stdout?.once('data', (text: Buffer) => resolve(Number(text))));
      expect(await exited).toBe('SIGKILL');
      expect(await becomes(group, (state) => state === null)).toBeNull();
      expect(await becomes(Number(readFileSync(pidFile, 'utf8')), (state) => state === null)).toBeNull();
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
