/**
 * The lines of a journal: one JSON object each, complete in itself, so that journals can be cut, shuffled and joined. Lines are never
 * changed; what they mean together is folded in evidence.ts, which does not depend on their order.
 */
import { z } from 'zod';
import { OUTCOME_STATES, type CandidateFacts, type CandidateOutcome, type Conditions, type KernelResources } from '../types.js';

export const JOURNAL_SCHEMA = 2;

const head = {
  schema: z.literal(JOURNAL_SCHEMA),
  /** Id of the run that wrote the line: tells whose measurement was cut off, and which samples belong together. */
  run: z.string(),
  /** ISO 8601. */
  at: z.string(),
};
const key = {
  ...head,
  problem: z.string(),
  kernelId: z.string(),
  sourceHash: z.string(),
  deviceKey: z.string(),
  compiler: z.string(),
  regime: z.string(),
};
const samplesNs = z.array(z.number().positive()).min(1);
const share = z.number().min(0).max(1);

const conditionsSchema = z.strictObject({
  stealShare: share.optional(),
  otherShare: share.optional(),
  cpuMhz: z.number().optional(),
  smClockMhz: z.number().optional(),
  memClockMhz: z.number().optional(),
  powerW: z.number().optional(),
  temperatureC: z.number().optional(),
  throttle: z.array(z.string()).optional(),
});
const resourcesSchema = z.strictObject({ registers: z.number().optional(), sharedBytes: z.number().optional(), codeBytes: z.number().optional() });

/** Written once when a run starts: what its other lines rest on. */
const runSchema = z.object({
  ...head,
  kind: z.literal('run'),
  /** Where it ran, to tell whether it still does. `boot` is the kernel's boot id. */
  host: z.string(),
  boot: z.string(),
  pid: z.number().int(),
  deviceKey: z.string(),
  deviceName: z.string(),
  driver: z.string(),
  compiler: z.string(),
  regime: z.string(),
  seed: z.number(),
  strategy: z.string(),
  effort: z.string(),
  /** `i/n`, 1-based, where the space was split. */
  shard: z.string().optional(),
  toolVersion: z.string(),
});
/** The run ended in good order. Without it, it was killed, or is still going. */
const endSchema = z.object({ ...head, kind: z.literal('end'), reason: z.enum(['done', 'interrupted', 'failed']), dirty: z.boolean() });
/** Goes before a candidate runs. */
const startedSchema = z.object({ ...key, kind: z.literal('started') });
/** The tuner stopped in good order while this candidate ran: nothing is known about it. */
const abandonedSchema = z.object({ ...key, kind: z.literal('abandoned') });
/** Samples of one evaluation; a later one of the same candidate adds to them. */
const outcomeSchema = z
  .object({
    ...key,
    kind: z.literal('outcome'),
    state: z.enum(OUTCOME_STATES),
    message: z.string(),
    samplesNs: samplesNs.optional(),
    referenceNs: samplesNs.optional(),
    machineCode: z.string().optional(),
    resources: resourcesSchema.optional(),
    sameCodeAs: z.string().optional(),
    compileMs: z.number().nonnegative().optional(),
    evaluateMs: z.number().nonnegative().optional(),
    conditions: conditionsSchema.optional(),
    retaken: z.number().int().nonnegative().optional(),
    dirty: z.boolean().optional(),
  })
  .refine((line) => {
    const measured = line.state === 'ok' || line.state === 'too-slow';
    return (line.samplesNs !== undefined) === measured && line.samplesNs?.length === line.referenceNs?.length;
  }, 'measured states have as many samples as references, others none');
/**
 * Samples of one kernel in an interleaved final. `referenceNs` are the default variant's in the same rounds (its own samples, for
 * itself), `controlNs` the control kernel's. `final` is the same for all kernels of one final.
 */
const finalSchema = z
  .object({
    ...key,
    kind: z.literal('final'),
    final: z.string(),
    /** `held-out`: other contents than the search saw, replayed as a whole plan. */
    stage: z.enum(['final', 'held-out']),
    samplesNs,
    referenceNs: samplesNs,
    controlNs: z.array(z.number().positive()),
    conditions: conditionsSchema.optional(),
    retaken: z.number().int().nonnegative(),
    dirty: z.boolean(),
    machineCode: z.string().optional(),
    resources: resourcesSchema.optional(),
  })
  .refine((line) => line.samplesNs.length === line.referenceNs.length, 'as many samples as references');

export const journalLineSchema = z.discriminatedUnion('kind', [runSchema, endSchema, startedSchema, abandonedSchema, outcomeSchema, finalSchema]);
export type JournalLine = z.infer<typeof journalLineSchema>;
export type LineOf<Kind extends JournalLine['kind']> = Extract<JournalLine, { kind: Kind }>;

/** What a run says of itself, without what the journal adds. */
export type RunHeader = Omit<LineOf<'run'>, 'schema' | 'kind' | 'at' | 'run' | 'host' | 'boot' | 'pid'>;

/** The outcome that a line states. */
export function outcomeOf(line: LineOf<'outcome'>): CandidateOutcome {
  if (line.state === 'ok' || line.state === 'too-slow') {
    return { state: line.state, message: line.message, samplesNs: line.samplesNs ?? [], referenceNs: line.referenceNs ?? [] };
  }
  return { state: line.state, message: line.message };
}

/** zod's optional fields may hold `undefined`; ours are absent. */
export function factsOf(line: LineOf<'outcome'>): CandidateFacts {
  const { machineCode, resources, sameCodeAs, compileMs, evaluateMs, conditions, retaken, dirty } = line;
  const facts = { machineCode, resources, sameCodeAs, compileMs, evaluateMs, conditions, retaken, dirty };
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as CandidateFacts;
}

export type { Conditions, KernelResources };
