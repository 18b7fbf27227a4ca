import { afterEach, describe, expect, it } from 'vitest';
import { openSession, type Session } from '../../tuning/session.js';
import type { EvaluateRequest } from '../../tuning/protocol.js';
import { environment } from './support/toy-environment.js';
import { MODES, toyProblem, type Mode } from './support/toy-family.js';

let session: Session | undefined;
afterEach(async () => {
  await session?.close();
});

const binary = (mode: Mode, path = '/toy.so') => ({ kernelId: `toy_scale__any__portable__mode${mode}`, path });
const request = (mode: Mode, change: Partial<EvaluateRequest> = {}): EvaluateRequest => ({
  problem: toyProblem, candidate: binary(mode), standard: binary(MODES.good), formVerified: false, bestRatio: null, seed: 1, ...change,
});

async function evaluate(mode: Mode, change: Partial<EvaluateRequest> = {}) {
  session = await openSession(environment, { threads: 2 });
  return session.evaluate(request(mode, change));
}

describe('session', () => {
  it('measures a right candidate in turn with the default', async () => {
    const outcome = await evaluate(MODES.faster);
    expect(outcome).toMatchObject({ state: 'ok', message: '800 ns, 0.800 of the default' });
    expect(outcome).toHaveProperty('samplesNs', Array(7).fill(800));
    expect(outcome).toHaveProperty('referenceNs', Array(7).fill(1000));
  });

  it('stops a hopeless candidate after the first samples', async () => {
    const outcome = await evaluate(MODES.hopelesslySlow, { bestRatio: 0.8 });
    expect(outcome.state).toBe('too-slow');
    expect(outcome).toHaveProperty('samplesNs', [5000, 5000]);
    expect((await evaluate(MODES.hopelesslySlow, { bestRatio: 4 })).state).toBe('ok');
  });

  it.each([
    [MODES.wrongWhenRagged, 'wrong', /toy_scale\[\]\(n=1,rows=1\), seed 1: y\[0\] is 77, expected/],
    [MODES.writesPastEnd, 'out-of-bounds', /y: byte 4, past its end of 4, was written/],
    [MODES.leavesUnwritten, 'wrong', /y\[0\] is never written/],
    [MODES.changesInput, 'wrong', /input x was changed/],
    [MODES.dependsOnThreads, 'wrong', /y differs between 2 threads and 1/],
  ] as const)('mode %i is %s', async (mode, state, message) => {
    const outcome = await evaluate(mode);
    expect(outcome.state).toBe(state);
    expect(outcome.message).toMatch(message);
    expect(outcome).not.toHaveProperty('samplesNs');
  });

  it('does not repeat the ragged problems of a form that has passed them', async () => {
    expect((await evaluate(MODES.wrongWhenRagged, { formVerified: true })).state).toBe('ok');
  });

  it('calls a file that cannot be loaded compile-failed', async () => {
    expect(await evaluate(MODES.good, { candidate: binary(MODES.good, '/unloadable.so') })).toEqual({
      state: 'compile-failed', message: 'cannot be loaded: /unloadable.so: not a shared object',
    });
  });

  it('checks a problem beyond the oracle at its true size against the default', async () => {
    const problem = { ...toyProblem, dims: { rows: 3, n: 399_999 } };
    expect((await evaluate(MODES.faster, { problem, formVerified: true })).state).toBe('ok');
    const outcome = await evaluate(MODES.wrongWhenRagged, { problem, formVerified: true });
    expect(outcome.state).toBe('wrong');
    expect(outcome.message).toContain('n=399999,rows=3) against the default variant: y[1199996] is 77');
  }, 30_000);

  it('interleaves finalists and says which kernel is running', async () => {
    session = await openSession(environment, { threads: 2 });
    const running: string[] = [];
    const reply = await session.final(
      { problem: toyProblem, kernels: [binary(MODES.good), binary(MODES.faster)], control: { kernel: binary(MODES.good), problem: toyProblem }, rounds: 6, seed: 1 },
      (kernelId) => running.push(kernelId),
    );
    expect(reply).toEqual({ samplesNs: [Array(6).fill(1000), Array(6).fill(800)], controlNs: Array(6).fill(1000) });
    expect(new Set(running)).toEqual(new Set([binary(MODES.good).kernelId, binary(MODES.faster).kernelId]));
  });
});
