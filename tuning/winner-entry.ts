/** A decided problem as an entry of the library, with where it comes from. */
import type { TunerContext } from './context.js';
import type { NewWinner } from './library/writer.js';
import { dispatchDims } from './problems.js';
import type { FinalResult, ProblemState } from './problem-state.js';
import { roofShare } from './roof.js';
import { isVendor } from './vendor.js';

/** `binaryPath` is null for a kernel of a vendor's library. */
export function winnerOf(state: ProblemState, final: FinalResult, binaryPath: string | null, context: TunerContext): NewWinner {
  const { builder, info, probes, regime, driver, journal } = context;
  const { decision, winner, dirty } = final;
  const { problem } = state.tuning;
  const { family } = state;
  const roof = final.roof ?? probes.roof;
  const sourceHash = builder.sourceHash(winner, family);
  const isMeasured = final.finalists > 1;
  return {
    binaryPath,
    entry: {
      family: family.name,
      params: { ...problem.params },
      dims: { ...dispatchDims(family, problem) },
      isa: winner.isa,
      kernelId: decision.winnerId,
      sourceHash,
      formHash: isVendor(winner) ? sourceHash : builder.formHash(state.form, family),
      compiler: builder.compiler,
      regime,
      medianNs: decision.medianNs,
      defaultNs: decision.defaultNs,
      ...(roof === null ? {} : { roofShare: roofShare(family, problem, decision.medianNs, roof) }),
      measuredAt: context.today().toISOString(),
      deviceKey: info.identity.key,
      driver,
      run: journal.run,
      ...(isMeasured ? { ratio: { ...decision.ratio } } : {}),
      dirty,
    },
  };
}
