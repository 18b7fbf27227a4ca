/** What a worker does: verifies and measures candidates on its own devices, one problem at a time. */
import { symbolOfId } from '../generator/ids.js';
import type { Family, Problem } from '../generator/types.js';
import type { Device, Kernel } from '../runtime/device/types.js';
import { DeviceError, LibraryError, TuneError } from '../runtime/errors.js';
import { createCaseStore } from './cases.js';
import type { DeviceRequest, TuningEnvironment } from './environment.js';
import { createWorkload, type Workload } from './inputs.js';
import { calmRounds, COLD_FACTOR, compareWithDefault, createRotation, createTimer, HOPELESS, interleave, launchesFor, probeLaunchNs, ratios, type Rotation } from './measure.js';
import type { EvaluateRequest, FinalReply, FinalRequest, VerifyReply, VerifyRequest, WorkerInfo } from './protocol.js';
import { median } from './statistics.js';
import { problemKey, type CandidateOutcome, type KernelBinary } from './types.js';
import { createTrueSizeCheck, oracleProblem, verifyAgainstOracle, type TrueSizeCheck } from './verify.js';
import { findVendor, isVendorId, loadVendor } from './vendor.js';
import { verifyKernel } from './verify-session.js';

/** Most launches of a sample on a GPU. */
const GPU_LAUNCHES = 128;
/** Assumed where the device does not know its last-level cache. */
const FALLBACK_CACHE_BYTES = 32 * 2 ** 20;

export interface Session {
  readonly info: WorkerInfo;
  /** Makes everything ready that a problem's candidates share. */
  prepare(problem: Problem, seed: number): Promise<void>;
  /** `deviceLost`: the device must not be used any more. */
  evaluate(request: EvaluateRequest): Promise<CandidateOutcome & { readonly deviceLost?: true }>;
  final(request: FinalRequest, onKernel: (kernelId: string) => void): Promise<FinalReply>;
  /** Every case of a kernel against the oracle; `onCase` is awaited before each. Rejects only for what is not the kernel's doing. */
  verify(request: VerifyRequest, onCase: (detail: string) => Promise<void>): Promise<VerifyReply>;
  close(): Promise<void>;
}

interface Bench {
  readonly key: string;
  readonly workload: Workload;
  rotation: Rotation | null;
  /** Null where the oracle covers the true size. */
  readonly trueSize: TrueSizeCheck | null;
  dispose(): void;
}

export async function openSession(environment: TuningEnvironment, request: DeviceRequest): Promise<Session> {
  const many = await environment.openDevice(request);
  const one = many.threads === 1 ? many : await environment.openDevice({ ...request, threads: 1 });
  const vendor = findVendor(many, environment.families);
  const info: WorkerInfo = { identity: many.identity, threads: many.threads, isa: many.isa, ...(vendor === undefined ? {} : { vendor }) };
  const lastLevelCache = Math.max(many.identity.l3Bytes, many.identity.l2Bytes) || FALLBACK_CACHE_BYTES;
  const store = createCaseStore();
  const kernels = new Map<Device, Map<string, Kernel>>();
  let bench: Bench | null = null;
  const controls = new Map<string, Bench>();

  const familyOf = (problem: Problem): Family => familyNamed(problem.family);
  function familyNamed(name: string): Family {
    const family = environment.families.find((candidate) => candidate.name === name);
    if (family === undefined) throw new TuneError(`unknown kernel family ${name}; there are: ${environment.families.map((f) => f.name).join(', ')}`);
    return family;
  }

  function load(device: Device, binary: KernelBinary): Kernel {
    const loaded = kernels.get(device) ?? new Map<string, Kernel>();
    kernels.set(device, loaded);
    const key = `${binary.path}\u0000${binary.kernelId}`;
    let kernel = loaded.get(key);
    if (kernel === undefined) {
      if (isVendorId(binary.kernelId)) kernel = loadVendor(device, binary.kernelId, environment.families);
      else kernel = device.loadKernels(binary.path, [symbolOfId(binary.kernelId)])[0];
      if (kernel === undefined) throw new TuneError(`${binary.path} has no kernel ${binary.kernelId}`);
      loaded.set(key, kernel);
    }
    return kernel;
  }

  async function openBench(problem: Problem, seed: number, verify: boolean): Promise<Bench> {
    const family = familyOf(problem);
    const oracle = oracleProblem(family, problem);
    const trueSize = verify && !oracle.trueSize ? await createTrueSizeCheck(many, family, problem, store) : null;
    const workload = await createWorkload(many, family, problem, { seed, coldBytes: COLD_FACTOR * lastLevelCache });
    return {
      key: problemKey(problem),
      workload,
      rotation: null,
      trueSize,
      dispose() {
        trueSize?.dispose();
        workload.dispose();
      },
    };
  }

  async function benchOf(problem: Problem, seed: number): Promise<Bench> {
    if (bench?.key === problemKey(problem)) return bench;
    bench?.dispose();
    bench = null; // an allocation failure below must not leave a disposed bench behind
    bench = await openBench(problem, seed, true);
    return bench;
  }

  async function rotationOf(current: Bench, standard: Kernel): Promise<Rotation> {
    if (current.rotation !== null) return current.rotation;
    const { sets } = current.workload;
    // Starting a graph costs what a small kernel takes: there a sample goes round the sets several times.
    const most = many.identity.gpu === undefined ? sets : Math.max(sets, GPU_LAUNCHES);
    current.rotation = createRotation(sets, launchesFor(await probeLaunchNs(many, standard, current.workload), most), most);
    return current.rotation;
  }

  async function verify(request: EvaluateRequest, current: Bench, kernel: Kernel, standard: Kernel): Promise<CandidateOutcome | null> {
    const family = familyOf(request.problem);
    const target = { many: { device: many, kernel }, one: { device: one, kernel: load(one, request.candidate) } };
    const ragged = request.formVerified ? [] : family.raggedProblems(request.problem.params);
    const verdict = await verifyAgainstOracle(target, family, [...ragged, oracleProblem(family, request.problem).problem], store);
    if (verdict.state !== 'ok') return verdict;
    const atSize = (await current.trueSize?.check(kernel, standard)) ?? verdict;
    return atSize.state === 'ok' ? null : atSize;
  }

  /** Whether a kernel is right, and if so, how fast. */
  async function judge(request: EvaluateRequest, current: Bench, kernel: Kernel, standard: Kernel): Promise<CandidateOutcome> {
    const fault = await verify(request, current, kernel, standard);
    if (fault !== null) return fault;
    const rotation = await rotationOf(current, standard);
    using candidateTimer = createTimer(many, kernel, current.workload, rotation);
    using standardTimer = createTimer(many, standard, current.workload, rotation);
    const { samplesNs, referenceNs, hopeless } = await compareWithDefault(candidateTimer, standardTimer, request.bestRatio);
    const ratio = median(ratios(samplesNs, referenceNs));
    const message = `${Math.round(median(samplesNs))} ns, ${ratio.toFixed(3)} of the default`;
    if (hopeless) return { state: 'too-slow', message: `${message}; stopped early: more than ${HOPELESS} of the best`, samplesNs, referenceNs };
    return { state: 'ok', message, samplesNs, referenceNs };
  }

  return {
    info,
    async prepare(problem, seed) {
      const family = familyOf(problem);
      await benchOf(problem, seed);
      for (const case_ of [...family.raggedProblems(problem.params), oracleProblem(family, problem).problem]) {
        for (const caseSeed of [1, 2]) store.get(family, case_, caseSeed);
      }
    },
    async evaluate(request) {
      const current = await benchOf(request.problem, request.seed);
      let kernel: Kernel;
      let standard: Kernel;
      try {
        standard = load(many, request.standard);
        kernel = load(many, request.candidate);
      } catch (error) {
        return { state: 'compile-failed', message: `cannot be loaded: ${error instanceof Error ? error.message : String(error)}` };
      }
      try {
        return await judge(request, current, kernel, standard);
      } catch (error) {
        // A vendor's library need not have an algorithm for every size.
        if (error instanceof LibraryError && isVendorId(request.candidate.kernelId)) return { state: 'compile-failed', message: error.message };
        // What a kernel does to a GPU ends in the device's refusal to do anything more.
        if (!(error instanceof DeviceError)) throw error;
        return { state: 'crashed', message: error.message, deviceLost: true };
      }
    },
    async final(request, onKernel) {
      const current = await benchOf(request.problem, request.seed);
      const [standard] = request.kernels;
      if (standard === undefined) return { samplesNs: [], controlNs: [] };
      onKernel(standard.kernelId);
      const rotation = await rotationOf(current, load(many, standard));
      const timers = request.kernels.map((binary) => createTimer(many, load(many, binary), current.workload, rotation));
      const control = request.control === null ? null : await controlTimer(request.control, request.seed);
      try {
        const samples = await interleave(timers, control, request.rounds, (i) => onKernel(request.kernels[i]?.kernelId ?? ''));
        return calmRounds(samples);
      } finally {
        for (const timer of timers) timer.dispose();
        control?.dispose();
      }
    },
    async verify(request, onCase) {
      const family = familyNamed(request.family);
      let target;
      try {
        target = { many: { device: many, kernel: load(many, request.candidate) }, one: { device: one, kernel: load(one, request.candidate) } };
      } catch (error) {
        const message = `cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
        return { cases: 0, failed: 1, failures: [{ problem: request.family, seed: 0, state: 'compile-failed', message }], worst: 0, deviceLost: false };
      }
      return verifyKernel(target, family, request, store, onCase);
    },
    async close() {
      bench?.dispose();
      for (const control of controls.values()) control.dispose();
      await many.dispose();
      if (one !== many) await one.dispose();
    },
  };

  async function controlTimer(request: { kernel: KernelBinary; problem: Problem }, seed: number) {
    const key = problemKey(request.problem);
    const control = controls.get(key) ?? (await openBench(request.problem, seed, false));
    controls.set(key, control);
    const kernel = load(many, request.kernel);
    return createTimer(many, kernel, control.workload, await rotationOf(control, kernel));
  }
}
