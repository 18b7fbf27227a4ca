import { afterEach, describe, expect, it } from 'vitest';
import { openSession, type Session } from '../../tuning/session.js';
import type { EvaluateRequest } from '../../tuning/protocol.js';
import type { TuningEnvironment } from '../../tuning/environment.js';
import { createFakeDevice } from './support/fake-device.js';
import { environment } from './support/toy-environment.js';
import { MODES, toyProblem, type Mode } from './support/toy-family.js';

let session: Session | undefined;
afterEach(async () => {
  await session?.close();
});

const binary = (mode: Mode, path = '/toy.so') => ({ kernelId: `toy_scale__any__portable__mode${mode}`, path });
const request = (mode: Mode, change: Partial<EvaluateRequest> = {}): EvaluateRequest => ({
  problem: toyProblem, candidate: binary(mode), standard: binary(MODES.good), formVerified: false, verified: false, bestRatio: null, samples: 7, control: null, seed: 1, ...change,
});

async function evaluate(mode: Mode, change: Partial<EvaluateRequest> = {}) {
  session = await openSession(environment, { threads: 2 });
  return session.evaluate(request(mode, change));
}

describe('session', () => {
  it('measures a right candidate in turn with the default', async () => {
    const { outcome, conditions, retaken, dirty } = await evaluate(MODES.faster);
    expect({ retaken, dirty }).toEqual({ retaken: 0, dirty: false });
    expect(conditions).not.toBeNull();
    expect(outcome).toMatchObject({ state: 'ok', message: '800 ns, 0.800 of the default' });
    expect(outcome).toHaveProperty('samplesNs', Array(7).fill(800));
    expect(outcome).toHaveProperty('referenceNs', Array(7).fill(1000));
  });

  it('stops a hopeless candidate after the first samples', async () => {
    const { outcome } = await evaluate(MODES.hopelesslySlow, { bestRatio: 0.8 });
    expect(outcome.state).toBe('too-slow');
    expect(outcome).toHaveProperty('samplesNs', [5000, 5000]);
    expect((await evaluate(MODES.hopelesslySlow, { bestRatio: 4 })).outcome.state).toBe('ok');
  });

  it('takes as many pairs as asked for, and only times what was verified before', async () => {
    const { outcome } = await evaluate(MODES.wrongWhenRagged, { verified: true, samples: 3, control: { kernel: binary(MODES.good), problem: toyProblem } });
    expect(outcome).toMatchObject({ state: 'ok', samplesNs: [900, 900, 900], referenceNs: [1000, 1000, 1000] });
  });

  it.each([
    [MODES.wrongWhenRagged, 'wrong', /toy_scale\[\]\(n=1,rows=1\), seed 1: y\[0\] is 77, expected/],
    [MODES.writesPastEnd, 'out-of-bounds', /y: byte 4, past its end of 4, was written/],
    [MODES.leavesUnwritten, 'wrong', /y\[0\] is never written/],
    [MODES.changesInput, 'wrong', /input x was changed/],
    [MODES.dependsOnThreads, 'wrong', /y differs between 2 threads and 1/],
    [MODES.differsBetweenRuns, 'wrong', /y differs between two equal runs/],
    [MODES.wrongWithThirdSeed, 'wrong', /toy_scale\[\]\(n=1,rows=1\), seed 3: y\[0\] is 77, expected/],
  ] as const)('mode %i is %s', async (mode, state, message) => {
    const { outcome, conditions } = await evaluate(mode);
    expect(conditions).toBeNull();
    expect(outcome.state).toBe(state);
    expect(outcome.message).toMatch(message);
    expect(outcome).not.toHaveProperty('samplesNs');
  });

  it('does not repeat the ragged problems of a form that has passed them', async () => {
    expect((await evaluate(MODES.wrongWhenRagged, { formVerified: true })).outcome.state).toBe('ok');
  });

  it('calls a file that cannot be loaded compile-failed', async () => {
    expect(await evaluate(MODES.good, { candidate: binary(MODES.good, '/unloadable.so') })).toEqual({
      outcome: { state: 'compile-failed', message: 'cannot be loaded: /unloadable.so: not a shared object' },
      conditions: null, retaken: 0, dirty: false,
    });
  });

  it('checks a problem beyond the oracle at its true size against the default', async () => {
    const problem = { ...toyProblem, dims: { rows: 3, n: 399_999 } };
    expect((await evaluate(MODES.faster, { problem, formVerified: true })).outcome.state).toBe('ok');
    const { outcome } = await evaluate(MODES.wrongWhenRagged, { problem, formVerified: true });
    expect(outcome.state).toBe('wrong');
    expect(outcome.message).toContain('n=399999,rows=3) against the default variant: y[1199996] is 77');
  }, 30_000);

  it('takes pairs again that were disturbed, and stores the state of the machine', async () => {
    let measured = 0;
    const device = (threads: number) =>
      createFakeDevice(threads, {
        slowdown: (label) => (label.startsWith('measure') && measured++ > 12 && measured < 20 ? 2 : 1),
        sensors: () => ({ smClockMhz: 1410, memClockMhz: null, powerW: null, temperatureC: 61, throttleReasons: ['power cap'] }),
      });
    session = await openSession({ ...environment, openDevice: ({ threads }) => Promise.resolve(device(threads ?? 2)) }, { threads: 2 });
    const reply = await session.evaluate(request(MODES.faster));
    expect(reply.retaken).toBeGreaterThan(0);
    expect(reply).toMatchObject({ dirty: false, conditions: { smClockMhz: 1410, temperatureC: 61, throttle: ['power cap'] } });
    expect(reply.outcome).toMatchObject({ samplesNs: Array(7).fill(800), referenceNs: Array(7).fill(1000) });
  });

  it('takes samples, and only samples, in a quiet section', async () => {
    const log: string[] = [];
    const logging: TuningEnvironment = {
      ...environment,
      openDevice: ({ threads = 2 }) => Promise.resolve(createFakeDevice(threads, { onRun: (label) => log.push(label.split(' ')[0] ?? '') })),
    };
    const quiet = { begin: () => Promise.resolve(void log.push('quiet')), end: () => void log.push('loud') };
    session = await openSession(logging, { threads: 2 }, quiet);
    await session.evaluate(request(MODES.faster));
    expect(log.indexOf('measure')).toBeGreaterThan(log.indexOf('quiet'));
    expect(log.lastIndexOf('verify')).toBeLessThan(log.indexOf('quiet'));
    expect(log.at(-1)).toBe('loud');
    log.length = 0;
    await session.evaluate(request(MODES.leavesUnwritten));
    expect(log).not.toContain('quiet');
  });

  describe('final', () => {
    const kernels = [binary(MODES.good), binary(MODES.faster)];
    const control = { kernel: binary(MODES.good), problem: toyProblem };

    it('interleaves finalists and says which kernel is running', async () => {
      session = await openSession(environment, { threads: 2 });
      const running: string[] = [];
      const reply = await session.final({ problem: toyProblem, kernels, control, rounds: 6, seed: 1, launch: 'rotation' }, (kernelId) => running.push(kernelId));
      expect(reply).toMatchObject({ samplesNs: [Array(6).fill(1000), Array(6).fill(800)], controlNs: Array(6).fill(1000), retaken: 0, dirty: false });
      expect(reply.conditions).not.toBeNull();
      expect(new Set(running)).toEqual(new Set(kernels.map(({ kernelId }) => kernelId)));
    });

    it('replays one plan over all sets, with other contents for another seed', async () => {
      const runs: { buffers: Set<unknown>; contents: string }[] = [];
      const recording: TuningEnvironment = {
        ...environment,
        openDevice: ({ threads = 2 }) =>
          Promise.resolve(
            createFakeDevice(threads, {
              onRun: (_, steps) =>
                runs.push({
                  buffers: new Set(steps.map(({ buffers }) => buffers[0])),
                  contents: steps.map(({ buffers }) => Buffer.from(buffers[0]?.read() ?? []).toString('hex')).join(' '),
                }),
            }),
          ),
      };
      session = await openSession(recording, { threads: 2 });
      const final = async (seed: number) => {
        runs.length = 0;
        const reply = await session?.final({ problem: toyProblem, kernels, control: null, rounds: 3, seed, launch: 'replay' }, () => undefined);
        expect(reply?.samplesNs).toEqual([Array(3).fill(1000), Array(3).fill(800)]);
        return runs.filter(({ buffers }) => buffers.size > 3); // how long a launch takes is seen on three sets, before
      };
      const first = await final(1);
      expect(first).toHaveLength(2 * (1 + 3));
      // 2.5 times the 16 KiB of the fake device's cache, in sets of 256 bytes.
      expect(new Set(first.map(({ buffers }) => buffers.size))).toEqual(new Set([160]));
      expect(new Set(first.map(({ contents }) => contents)).size).toBe(1);
      const heldOut = await final(2);
      expect(heldOut[0]?.contents).not.toBe(first[0]?.contents);
      expect((await final(1))[0]?.contents).toBe(first[0]?.contents);
    });
  });
});
