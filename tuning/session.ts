/** What a worker does: verifies and measures candidates on its own devices, one problem at a time. */
import { availableParallelism } from 'node:os';
import { symbolOfId } from '../generator/ids.js';
import type { Family, Problem } from '../generator/types.js';
import type { Device, Kernel } from '../runtime/device/types.js';
import { DeviceError, LibraryError, TuneError } from '../runtime/errors.js';
import { createBenches, type Bench } from './bench.js';
import { createCaseStore } from './cases.js';
import { createConditionsProbe } from './conditions.js';
import type { DeviceRequest, TuningEnvironment } from './environment.js';
import { readExpertTrace } from './expert-trace.js';
import { createLoadMeter } from './load-meter.js';
import { compareWithDefault, createTimer, HOPELESS, interleave, ratios, replayRotation, type Comparison } from './measure.js';
import type { ControlRequest, EvaluateReply, EvaluateRequest, FinalReply, FinalRequest, VerifyReply, VerifyRequest, WorkerInfo } from './protocol.js';
import { median } from './statistics.js';
import { problemKey, type CandidateOutcome, type Conditions, type KernelBinary } from './types.js';
import { createTrueSizeCheck, oracleProblem, roundsOf, verifyAgainstOracle, type TrueSizeCheck, type VerificationTarget } from './verify.js';
import { findVendor, isVendorId, loadVendor } from './vendor.js';
import { verifyKernel } from './verify-session.js';

export interface Session {
  readonly info: WorkerInfo;
  /** Makes everything ready that a problem's candidates share. */
  prepare(problem: Problem, seed: number): Promise<void>;
  /** `deviceLost`: the device must not be used any more. */
  evaluate(request: EvaluateRequest): Promise<EvaluateReply & { readonly deviceLost?: true }>;
  final(request: FinalRequest, onKernel: (kernelId: string) => void): Promise<FinalReply>;
  /** Every case of a kernel against the oracle; `onCase` is awaited before each. Rejects only for what is not the kernel's doing. */
  verify(request: VerifyRequest, onCase: (detail: string) => Promise<void>): Promise<VerifyReply>;
  close(): Promise<void>;
}

/** Called around samples, on devices whose timings the host's load disturbs. */
export interface QuietSection {
  /** Resolves when nothing else runs. */
  begin(): Promise<void>;
  end(): void;
}

const NOTHING_ELSE_RUNS: QuietSection = { begin: () => Promise.resolve(), end: () => undefined };

/** Throws what opening the device throws, and FileError for an expert trace that cannot be read. */
export async function openSession(environment: TuningEnvironment, request: DeviceRequest, quiet: QuietSection = NOTHING_ELSE_RUNS): Promise<Session> {
  const experts = request.experts === undefined ? null : readExpertTrace(request.experts);
  const many = await environment.openDevice(request);
  const one = many.threads === 1 ? many : await environment.openDevice({ ...request, threads: 1 });
  const vendor = findVendor(many, environment.families);
  const info: WorkerInfo = { identity: many.identity, threads: many.threads, isa: many.isa, ...(vendor === undefined ? {} : { vendor }) };
  const disturbedByHost = many.identity.gpu === undefined || /[:,]eager\b/.test(request.device ?? '');
  const otherLoad = createLoadMeter(availableParallelism());
  const store = createCaseStore();
  const loaded = new Map<Device, Map<string, Kernel>>();
  const benches = createBenches(many, (problem) => familyNamed(problem.family), experts);
  let trueSize: { readonly key: string; readonly check: TrueSizeCheck } | null = null;

  function familyNamed(name: string): Family {
    const family = environment.families.find((candidate) => candidate.name === name);
    if (family === undefined) throw new TuneError(`unknown kernel family ${name}; there are: ${environment.families.map((f) => f.name).join(', ')}`);
    return family;
  }

  function load(device: Device, binary: KernelBinary): Kernel {
    const kernels = loaded.get(device) ?? new Map<string, Kernel>();
    loaded.set(device, kernels);
    const key = `${binary.path}\u0000${binary.kernelId}`;
    let kernel = kernels.get(key);
    if (kernel === undefined) {
      if (isVendorId(binary.kernelId)) kernel = loadVendor(device, binary.kernelId, environment.families);
      else kernel = device.loadKernels(binary.path, [symbolOfId(binary.kernelId)])[0];
      if (kernel === undefined) throw new TuneError(`${binary.path} has no kernel ${binary.kernelId}`);
      kernels.set(key, kernel);
    }
    return kernel;
  }

  function targetOf(candidate: KernelBinary): VerificationTarget {
    return { many: { device: many, kernel: load(many, candidate) }, one: { device: one, kernel: load(one, candidate) } };
  }

  /** Null where the oracle covers the true size. It does not depend on the seed of what is timed. */
  async function trueSizeCheckOf(problem: Problem): Promise<TrueSizeCheck | null> {
    const key = problemKey(problem);
    if (trueSize?.key === key) return trueSize.check;
    trueSize?.check.dispose();
    trueSize = null;
    const family = familyNamed(problem.family);
    if (oracleProblem(family, problem).trueSize) return null;
    const check = await createTrueSizeCheck(many, family, problem, store);
    trueSize = { key, check };
    return check;
  }

  async function verify(request: EvaluateRequest, kernel: Kernel, standard: Kernel): Promise<CandidateOutcome | null> {
    if (request.verified) return null;
    const family = familyNamed(request.problem.family);
    const ragged = request.formVerified ? [] : family.raggedProblems(request.problem.params);
    const verdict = await verifyAgainstOracle(targetOf(request.candidate), family, [...ragged, oracleProblem(family, request.problem).problem], store);
    if (verdict.state !== 'ok') return verdict;
    const check = await trueSizeCheckOf(request.problem);
    const atSize = (await check?.check(kernel, standard)) ?? verdict;
    return atSize.state === 'ok' ? null : atSize;
  }

  /** Samples are taken by `work`, with nothing beside it; the conditions are those of its time. `busy`: something else does run. */
  async function quietly<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly conditions: Conditions; readonly busy: boolean }> {
    if (disturbedByHost) await quiet.begin();
    try {
      const probe = createConditionsProbe(many);
      const from = performance.now();
      probe.start();
      const result = await work();
      const conditions = probe.stop();
      otherLoad.add(conditions, performance.now() - from);
      return { result, conditions, busy: disturbedByHost && environment.simulatedTimes !== true && otherLoad.loaded() };
    } finally {
      if (disturbedByHost) quiet.end();
    }
  }

  function controlOf(request: ControlRequest | null, bench: Bench) {
    return benches.control(request === null ? null : { kernel: load(many, request.kernel), problem: request.problem }, bench);
  }

  /** Whether a kernel is right, and if so, how fast. */
  async function judge(request: EvaluateRequest, bench: Bench, kernel: Kernel, standard: Kernel): Promise<EvaluateReply> {
    const fault = await verify(request, kernel, standard);
    if (fault !== null) return unmeasured(fault);
    const { result, conditions, busy } = await quietly(async () => {
      const rotation = await bench.rotation(standard);
      const control = await controlOf(request.control, bench);
      using candidateTimer = createTimer(many, kernel, bench.workload, rotation);
      using standardTimer = createTimer(many, standard, bench.workload, rotation);
      try {
        return await compareWithDefault(candidateTimer, standardTimer, control, request);
      } finally {
        control.release();
      }
    });
    return { outcome: measured(result), conditions, retaken: result.retaken, dirty: result.dirty || busy };
  }

  return {
    info,
    async prepare(problem, seed) {
      const family = familyNamed(problem.family);
      await benches.of(problem, seed);
      await trueSizeCheckOf(problem);
      for (const case_ of [...family.raggedProblems(problem.params), oracleProblem(family, problem).problem]) {
        for (const round of roundsOf(0)) store.get(family, case_, round.seed);
      }
    },
    async evaluate(request) {
      const bench = await benches.of(request.problem, request.seed);
      let kernel: Kernel;
      let standard: Kernel;
      try {
        standard = load(many, request.standard);
        kernel = load(many, request.candidate);
      } catch (error) {
        return unmeasured({ state: 'compile-failed', message: `cannot be loaded: ${reason(error)}` });
      }
      try {
        return await judge(request, bench, kernel, standard);
      } catch (error) {
        // A vendor's library need not have an algorithm for every size.
        if (error instanceof LibraryError && isVendorId(request.candidate.kernelId)) return unmeasured({ state: 'compile-failed', message: error.message });
        // What a kernel does to a GPU ends in the device's refusal to do anything more.
        if (!(error instanceof DeviceError)) throw error;
        return { ...unmeasured({ state: 'crashed', message: error.message }), deviceLost: true };
      }
    },
    async final(request, onKernel) {
      const bench = await benches.of(request.problem, request.seed);
      const [standard] = request.kernels;
      if (standard === undefined) return { samplesNs: [], controlNs: [], retaken: 0, dirty: false, conditions: null };
      const { result, conditions, busy } = await quietly(async () => {
        const control = await controlOf(request.control, bench);
        onKernel(standard.kernelId);
        const usual = await bench.rotation(load(many, standard));
        const rotation = request.launch === 'replay' ? replayRotation(bench.workload.sets, usual) : usual;
        const timers = request.kernels.map((binary) => createTimer(many, load(many, binary), bench.workload, rotation));
        try {
          return await interleave(timers, control, request.rounds, (i) => onKernel(request.kernels[i]?.kernelId ?? ''));
        } finally {
          for (const timer of timers) timer.dispose();
          control.release();
        }
      });
      return { ...result, conditions, dirty: result.dirty || busy };
    },
    async verify(request, onCase) {
      const family = familyNamed(request.family);
      let target: VerificationTarget;
      try {
        target = targetOf(request.candidate);
      } catch (error) {
        const failure = { problem: request.family, seed: 0, state: 'compile-failed' as const, message: `cannot be loaded: ${reason(error)}` };
        return { cases: 0, failed: 1, failures: [failure], worst: 0, deviceLost: false };
      }
      return verifyKernel(target, family, request, store, onCase);
    },
    async close() {
      trueSize?.check.dispose();
      benches.dispose();
      await many.dispose();
      if (one !== many) await one.dispose();
    },
  };
}

function unmeasured(outcome: CandidateOutcome): EvaluateReply {
  return { outcome, conditions: null, retaken: 0, dirty: false };
}

function measured({ samplesNs, referenceNs, hopeless }: Comparison): CandidateOutcome {
  const message = `${Math.round(median(samplesNs))} ns, ${median(ratios(samplesNs, referenceNs)).toFixed(3)} of the default`;
  if (hopeless) return { state: 'too-slow', message: `${message}; stopped early: more than ${HOPELESS} times the best`, samplesNs, referenceNs };
  return { state: 'ok', message, samplesNs, referenceNs };
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
