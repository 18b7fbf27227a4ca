/** All cases of one kernel against the oracle, for `griffin verify`: unlike a tuning run, it goes on after a failure. */
import type { Family } from '../generator/types.js';
import { DeviceError } from '../runtime/errors.js';
import type { CaseStore } from './cases.js';
import type { CaseFailure, VerifyReply, VerifyRequest } from './protocol.js';
import { problemKey } from './types.js';
import { roundsOf, verifyCase, type VerificationTarget } from './verify.js';

/** Failures of one kernel that are worth telling apart; all are counted. */
const FAILURES_KEPT = 8;

/** `onCase` is awaited before every launch: what is said there survives the process. */
export async function verifyKernel(
  target: VerificationTarget,
  family: Family,
  request: VerifyRequest,
  store: CaseStore,
  onCase: (detail: string) => Promise<void>,
): Promise<VerifyReply> {
  const failures: CaseFailure[] = [];
  let cases = 0;
  let failed = 0;
  let worst = 0;
  const fail = (failure: CaseFailure): void => {
    failed += 1;
    if (failures.length < FAILURES_KEPT) failures.push(failure);
  };
  for (const problem of request.problems) {
    for (const { seed, style } of roundsOf(request.seed)) {
      const one = store.get(family, problem, seed);
      const key = problemKey(problem);
      await onCase(`${key}, seed ${seed}`);
      cases += 1;
      try {
        const verdict = await verifyCase(target, family, one, style);
        worst = Math.max(worst, verdict.worst);
        if (verdict.state !== 'ok') fail({ problem: key, seed, state: verdict.state, message: verdict.message });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        fail({ problem: key, seed, state: 'crashed', message });
        // After a fault a GPU's context answers nothing but that fault.
        if (error instanceof DeviceError) return { cases, failures, failed, worst, deviceLost: true };
      }
    }
  }
  return { cases, failures, failed, worst, deviceLost: false };
}
