/**
 * A made-up but plausible library: real families, problems and kernel ids, times from a made-up cost per axis value plus noise. Nothing here was
 * measured; it serves the report's tests, and everything in it follows from the seed.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requireFamily, kernelId } from '../../../../generator/ids.js';
import { defaultVariant, sample } from '../../../../generator/space.js';
import type { Family, Isa, Variant } from '../../../../generator/types.js';
import { syntheticConfig } from '../../../../runtime/checkpoint/index.js';
import { winnersSchema, type WinnerEntry, type Winners } from '../../../../runtime/library/schema.js';
import { sealLine } from '../../../../tuning/journal/parse.js';
import { decide } from '../../../../tuning/decide.js';
import { JOURNAL_SCHEMA, journalLineSchema, type JournalLine, type LineOf } from '../../../../tuning/journal/lines.js';
import { dispatchDims, modelProblems } from '../../../../tuning/problems.js';
import { median, seededRandom, seedFrom } from '../../../../tuning/statistics.js';
import { problemKey, type FailedState, type TuningProblem } from '../../../../tuning/types.js';

export interface FixtureOptions {
  readonly seed?: number;
  /** Candidates per problem, where the space has as many. */
  readonly candidates?: number;
  /** Problems per device, heaviest first. */
  readonly problems?: number;
  readonly gpu?: boolean;
  /** The machine was disturbed during some finals. */
  readonly dirty?: boolean;
  /** Journal lines that are none. */
  readonly damaged?: boolean;
}

interface Machine {
  readonly deviceKey: string;
  readonly deviceName: string;
  readonly driver: string;
  readonly compiler: string;
  readonly regime: string;
  readonly isa: Isa;
  readonly capability?: number;
  /** Bytes and operations per nanosecond that the made-up machine reaches at best. */
  readonly bytesPerNs: number;
  readonly flopsPerNs: number;
}

const CPU: Machine = { deviceKey: 'cpu-example-f25-m17-avx512bf16', deviceName: 'Example CPU, 16 cores', driver: 'Linux 6.1', compiler: 'g++ (Debian 12.2.0-14) 12.2.0', regime: 'plan-cold-t16', isa: 'avx512bf16', bytesPerNs: 38, flopsPerNs: 900 };
const GPU: Machine = { deviceKey: 'cuda-example-80gb-sm80', deviceName: 'Example GPU 80 GB', driver: 'CUDA 12.4', compiler: 'nvcc 13.0.48', regime: 'graph-cold', isa: 'sm80', capability: 80, bytesPerNs: 1850, flopsPerNs: 250_000 };

const FAILURES: readonly (readonly [FailedState, string])[] = [
  ['compile-failed', 'error: inlining failed in call to ‘always_inline’ ‘__m512 _mm512_fmadd_ps(__m512, __m512, __m512)’: target specific option mismatch'],
  ['spills', '24 bytes of registers are kept in memory, which sm80 does not allow'],
  ['wrong', 'y[17] is 0.4375 where 0.4414 ± 0.0008 is expected (rows=3, in=77, seed 2) <script>alert("x")</script> & \u0001\u202e'],
  ['out-of-bounds', 'wrote 4 bytes behind "y" (offset 0)'],
  ['crashed', 'quarantined: run 3c1f was killed while it ran; SIGSEGV'],
  ['timed-out', 'stopped after 20000 ms'],
];

/** Writes `journal.jsonl` and `winners.json` into `directory`, and returns what is in them. */
export function writeFixtureLibrary(directory: string, options: FixtureOptions = {}): { readonly lines: readonly JournalLine[]; readonly winners: Winners } {
  const { lines, winners } = fixtureLibrary(options);
  mkdirSync(directory, { recursive: true });
  const damage = options.damaged === true ? '{"schema":2,"kind":"outcome","prob\n{"schema":1,"kind":"started"}\n' : '';
  writeFileSync(join(directory, 'journal.jsonl'), `${lines.map((line) => sealLine(line)).join('\n')}\n${damage}`);
  writeFileSync(join(directory, 'winners.json'), `${JSON.stringify(winners, null, 1)}\n`);
  return { lines, winners };
}

export function fixtureLibrary(options: FixtureOptions = {}): { readonly lines: readonly JournalLine[]; readonly winners: Winners } {
  const lines: JournalLine[] = [];
  const devices: Winners['devices'] = {};
  for (const machine of options.gpu === true ? [CPU, GPU] : [CPU]) {
    const entries = tuneMachine(machine, options, lines);
    const gpu = machine.capability !== undefined;
    devices[machine.deviceKey] = {
      device: { kind: gpu ? 'cuda' : 'cpu', name: machine.deviceName, key: machine.deviceKey, isas: [machine.isa], cores: gpu ? 108 : 16, l1dBytes: 32_768, l2Bytes: 2 ** 20, l3Bytes: 2 ** 25, memoryBytes: 2 ** 36 },
      entries,
      decisions: [{ kind: 'ff_strategy', dims: { hidden: 2048, intermediate: 5632, k: 2816 }, dtype: 'bf16', choice: 'gather', gatherNs: 912_000, compactNs: 903_000, compactionNs: 4_100_000 }],
    };
  }
  return { lines: lines.map((line) => journalLineSchema.parse(line)), winners: winnersSchema.parse({ schema: 1, devices }) };
}

function tuneMachine(machine: Machine, options: FixtureOptions, lines: JournalLine[]): WinnerEntry[] {
  const random = seededRandom(seedFrom(machine.deviceKey, options.seed ?? 7));
  let time = Date.parse('2026-03-01T09:00:00Z');
  const at = (ms: number): string => new Date((time += ms)).toISOString();
  const head = (run: string) => ({ schema: JOURNAL_SCHEMA as typeof JOURNAL_SCHEMA, run, at: at(5) });
  const { deviceKey, deviceName, driver, compiler, regime } = machine;
  const runLine = (run: string, pid: number): LineOf<'run'> => ({ ...head(run), kind: 'run', host: 'node-1', boot: 'b00t', pid, deviceKey, deviceName, driver, compiler, regime, seed: 1, strategy: 'forest', effort: 'normal', toolVersion: '0.1.0' });
  const problems = modelProblems(syntheticConfig('tinyllama-1.1b'), { isa: machine.isa }).slice(0, options.problems ?? 7);
  const entries: WinnerEntry[] = [];
  let run = `run-${machine.isa}-1`;
  lines.push(runLine(run, 4001));
  problems.forEach((tuning, index) => {
    if (index === Math.ceil(problems.length / 2)) {
      // The first run was killed here; the second ends in good order.
      run = `run-${machine.isa}-2`;
      time += 3_600_000;
      lines.push(runLine(run, 4002));
    }
    const entry = tuneProblem(tuning, index);
    if (entry !== null) entries.push(entry);
  });
  lines.push({ ...head(run), kind: 'end', reason: 'done', dirty: options.dirty === true });
  return entries;

  function tuneProblem(tuning: TuningProblem, index: number): WinnerEntry | null {
    const { problem } = tuning;
    const family = requireFamily(problem.family);
    const form = { family: family.name, params: problem.params, isa: machine.isa };
    const space = { dims: problem.dims, ...(machine.capability === undefined ? {} : { capability: machine.capability }) };
    const standard = defaultVariant(form, space);
    const standardId = kernelId(standard, family);
    const others = sample(form, options.candidates ?? 90, random, space).filter((variant) => kernelId(variant, family) !== standardId);
    const truth = costModel(family, machine.isa, seedFrom(family.name, options.seed ?? 7));
    const limitNs = limitOf(family, tuning);
    const baseNs = limitNs / (0.5 + 0.4 * random());
    const floorNs = limitNs * (1.03 + 0.3 * random());
    const timeOf = (variant: Variant): number => Math.max(floorNs, (baseNs * truth(variant)) / truth(standard));
    const noisy = (ns: number, n: number): number[] => Array.from({ length: n }, () => Math.round(ns * (1 + 0.012 * gauss(random)) + (random() < 0.05 ? ns * 0.15 * random() : 0)));
    const keyOf = (variant: Variant) => ({ problem: problemKey(problem), kernelId: kernelId(variant, family), sourceHash: sha(kernelId(variant, family)), deviceKey, compiler, regime });
    const resources = (variant: Variant) => (machine.capability === undefined ? { codeBytes: 900 + (seedFrom(kernelId(variant, family)) % 4000) } : { registers: 32 + (seedFrom(kernelId(variant, family)) % 96), sharedBytes: 1024 * (seedFrom(kernelId(variant, family), 1) % 48), codeBytes: 6000 });
    const conditions = () => (machine.capability === undefined ? { stealShare: 0.004 + 0.01 * random(), otherShare: 0.02 * random(), cpuMhz: 3600 + 60 * gauss(random) } : { smClockMhz: 1380 + Math.round(20 * random()), memClockMhz: 1593, powerW: 250 + 50 * random(), temperatureC: 48 + Math.round(8 * random()), throttle: random() < 0.1 ? ['power cap'] : [] });

    const measured: { variant: Variant; ratio: number }[] = [];
    // A search gets better as it goes: half of the sample in random order, the better half of the rest later.
    const ordered = [standard, ...others.slice(0, others.length / 2), ...others.slice(others.length / 2).sort((a, b) => truth(b) - truth(a))];
    for (const variant of ordered) {
      lines.push({ ...head(run), at: at(60 + 900 * random()), kind: 'started', ...keyOf(variant) });
      const compileMs = 350 + 300 * random();
      const failure = variant !== standard && random() < 0.11 ? FAILURES[Math.floor(random() * random() * FAILURES.length)] : undefined;
      if (failure !== undefined) {
        lines.push({ ...head(run), kind: 'outcome', ...keyOf(variant), state: failure[0], message: failure[1], compileMs });
        continue;
      }
      const ns = timeOf(variant);
      const tooSlow = ns > baseNs * 1.6;
      const referenceNs = noisy(timeOf(standard), tooSlow ? 2 : 7);
      const samplesNs = noisy(ns, tooSlow ? 2 : 7);
      const ratio = median(samplesNs.map((value, i) => value / (referenceNs[i] ?? value)));
      lines.push({ ...head(run), kind: 'outcome', ...keyOf(variant), state: tooSlow ? 'too-slow' : 'ok', message: `${Math.round(ns)} ns, ${ratio.toFixed(3)} of the default`, samplesNs, referenceNs, machineCode: sha(`code ${kernelId(variant, family)}`), resources: resources(variant), compileMs, evaluateMs: 70 + 60 * random(), conditions: conditions(), retaken: random() < 0.1 ? 1 : 0, dirty: false });
      if (!tooSlow) measured.push({ variant, ratio });
    }
    if (index === problems.length - 1) return null; // the budget ended here
    const challengers = measured.filter(({ variant }) => variant !== standard).sort((a, b) => a.ratio - b.ratio).slice(0, 3).map(({ variant }) => variant);
    const finalists = [standard, ...challengers];
    const dirty = options.dirty === true && index % 3 === 0;
    const compete = (stage: 'final' | 'held-out', variants: readonly Variant[], rounds: number) => {
      const referenceNs = noisy(timeOf(standard), rounds);
      const final = sha(`${run} ${index} ${stage}`).slice(0, 12);
      return variants.map((variant) => {
        const samplesNs = variant === standard ? referenceNs : noisy(timeOf(variant), rounds);
        lines.push({ ...head(run), kind: 'final', ...keyOf(variant), final, stage, samplesNs, referenceNs, controlNs: noisy(8e5, rounds), retaken: dirty ? 9 : 0, dirty, resources: resources(variant), conditions: conditions() });
        return { kernelId: kernelId(variant, family), samplesNs, referenceNs, resources: resources(variant) };
      });
    };
    const decision = decide(compete('final', finalists, 15), standardId);
    const winner = finalists.find((variant) => kernelId(variant, family) === decision.winnerId) ?? standard;
    if (winner !== standard) compete('held-out', [standard, winner], 11);
    return {
      family: family.name, params: { ...problem.params }, dims: { ...dispatchDims(family, problem) }, isa: machine.isa, kernelId: kernelId(winner, family), sourceHash: sha(kernelId(winner, family)), formHash: sha(family.name), compiler,
      binary: { file: `${kernelId(winner, family)}.so`, sha256: sha('binary') }, regime, medianNs: decision.medianNs, defaultNs: decision.defaultNs, roofShare: limitNs / decision.medianNs, measuredAt: at(0), deviceKey, driver, run,
      ratio: { ...decision.ratio }, dirty,
    };
  }

  function limitOf(family: Family, { problem }: TuningProblem): number {
    const { readBytes, flops } = family.cost(problem);
    return Math.max(1500, readBytes / machine.bytesPerNs, flops / machine.flopsPerNs);
  }
}

/** Every axis value gets a factor; the first axes matter most. */
function costModel(family: Family, isa: Isa, seed: number): (variant: Variant) => number {
  const random = seededRandom(seedFrom(isa, seed));
  const axes = (isa.startsWith('sm') ? family.cuda?.axes : family.cpu.axes) ?? [];
  const factors = new Map(axes.flatMap((axis, i) => axis.values.map((value): [string, number] => [`${axis.name}${value}`, Math.exp((0.28 / (1 + 0.7 * i)) * gauss(random))])));
  return ({ axes: values }) => Object.entries(values).reduce((product, [name, value]) => product * (factors.get(`${name}${value}`) ?? 1), 1);
}

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
/** Irwin–Hall: near enough to normal. */
const gauss = (random: () => number): number => Array.from({ length: 12 }, random).reduce((sum, value) => sum + value, -6);
