/**
 * A tuner that is killed in a quiet section. It starts a process group of its own, stops it when its worker asks for quiet, prints the
 * group's id, and dies while the worker takes samples.
 */
import { spawn } from 'node:child_process';
import { createWorker } from '../../../tuning/worker-client.js';
import { MODES, toyProblem } from './toy-family.js';

const group = spawn('sleep', ['600'], { detached: true, stdio: 'ignore' }).pid as number;
const binary = { kernelId: `toy_scale__any__portable__mode${MODES.good}`, path: '/toy.so' };
const worker = createWorker({
  environmentUrl: new URL('./toy-slow-environment.ts', import.meta.url).href,
  device: {},
  gate: {
    pause() {
      process.kill(-group, 'SIGSTOP');
      process.stdout.write(`${group}\n`);
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 150);
      return [group];
    },
    resume: () => undefined,
  },
});
await worker.evaluate(
  { problem: toyProblem, candidate: binary, standard: binary, formVerified: true, verified: true, bestRatio: null, samples: 50, control: null, seed: 1 },
  60_000,
);
