import { z } from 'zod';
import { VENDOR_ISA } from '../device/types.js';

/**
 * `winners.json` of a user's kernel library: what `griffin tune` found, per device key. The tuner writes it through these schemas and the
 * runtime reads it through them, so that both always mean the same thing.
 */

const token = z.string().regex(/^[a-z0-9]+$/, 'a parameter value is a token of a-z and 0-9');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 is 64 hexadecimal digits');
/** A plain file name inside `DIR/kernels/`: nothing that leaves the directory. */
const fileName = z.string().regex(/^[A-Za-z0-9._-]+$/, 'a plain file name without folders').refine((name) => name !== '.' && name !== '..', 'not a file name');
const nanoseconds = z.number().nonnegative();
const dims = z.record(z.string(), z.number().int().nonnegative());

/** One tuned kernel: the winner of one problem on one device. */
const entryFields = z.strictObject({
  family: z.string(),
  /** Compile-time parameters, e.g. `{ dtype: 'bf16' }`. */
  params: z.record(z.string(), token),
  /** Run-time sizes of the problem that was measured. */
  dims,
  isa: z.string(),
  /** The kernel id; its symbol in the binary is `gk_` + this. */
  kernelId: z.string().regex(/^[a-z0-9_]+$/, 'a kernel id is made of a-z, 0-9 and _'),
  /** SHA-256 of the rendered source; of a vendor's kernel: see `vendorHash`. */
  sourceHash: sha256,
  /**
   * SHA-256 of the default kernel's source of the same form when this was measured (`sha256` of the form in `generated/manifest.json`).
   * Templates that changed since then change it, and the entry is stale: the runtime cannot render sources, but it can compare this.
   * A vendor's kernel has no template: `sourceHash` again.
   */
  formHash: sha256,
  /** First line of the compiler's version, e.g. `g++ (Debian 12.2.0-14) 12.2.0`. */
  compiler: z.string(),
  binary: z.strictObject({
    /** File name inside `DIR/kernels/`. */
    file: fileName,
    sha256,
  }).optional(),
  /** How it was measured, e.g. `plan-cold`. */
  regime: z.string(),
  medianNs: nanoseconds,
  /** The default variant, measured in alternation with the winner. */
  defaultNs: nanoseconds,
  /** Share of the device's measured read bandwidth (or FMA rate), where that is the limit. */
  roofShare: z.number().nonnegative().optional(),
  /** ISO 8601. */
  measuredAt: z.string(),
  /** Device key and driver that it was measured with: an entry that was copied into another device's section is found out. */
  deviceKey: z.string(),
  driver: z.string(),
  /** Id of the tuning run. */
  run: z.string(),
  /** Winner's time / default's time: the median over rounds, and the 95 % confidence interval of that median. Absent where only the default was measured. */
  ratio: z.strictObject({ median: z.number().positive(), low: z.number().positive(), high: z.number().positive() }).optional(),
  /** The machine was disturbed while this was measured, and did not come to rest: do not ship. */
  dirty: z.boolean(),
});

/** A kernel of a vendor's library (`isa` is `cublaslt`) comes with that library and has no binary of ours; every other kernel has one. */
export const winnerEntrySchema = entryFields.refine((entry) => (entry.isa === VENDOR_ISA) === (entry.binary === undefined), {
  path: ['binary'],
  message: `a kernel of ours needs a binary, one of ${VENDOR_ISA} has none`,
});
export type WinnerEntry = z.infer<typeof winnerEntrySchema>;

/**
 * Read selected neurons in place (`gather`) or pack them once per generation (`compact`)? Times are per decode step and layer;
 * `compactionNs` is the one-off cost per layer. `choice` is the better one for a long generation; callers who know its length compute it.
 */
export const ffStrategyDecisionSchema = z.strictObject({
  kind: z.literal('ff_strategy'),
  /** hidden, intermediate, k. */
  dims,
  dtype: token,
  choice: z.enum(['gather', 'compact']),
  gatherNs: nanoseconds,
  compactNs: nanoseconds,
  compactionNs: nanoseconds,
});
export type FfStrategyDecision = z.infer<typeof ffStrategyDecisionSchema>;

export const decisionSchema = z.discriminatedUnion('kind', [ffStrategyDecisionSchema]);

/** The machine an entry was measured on, as `DeviceIdentity` describes it. */
export const deviceIdentitySchema = z.object({
  kind: z.string(),
  name: z.string(),
  key: z.string(),
  isas: z.array(z.string()),
  cores: z.number().int().positive(),
  l1dBytes: z.number().nonnegative(),
  l2Bytes: z.number().nonnegative(),
  l3Bytes: z.number().nonnegative(),
  memoryBytes: z.number().nonnegative(),
  /** Of a GPU: its compute capability (10 × major + minor) says whose binaries it runs. */
  gpu: z.object({ capability: z.number().int().positive(), driver: z.number().nonnegative() }).optional(),
});
export type SectionDevice = z.infer<typeof deviceIdentitySchema>;

const deviceSectionSchema = z.strictObject({
  device: deviceIdentitySchema,
  entries: z.array(winnerEntrySchema),
  decisions: z.array(decisionSchema).default([]),
});
export type DeviceWinners = z.infer<typeof deviceSectionSchema>;

export const WINNERS_SCHEMA = 1;

/** The whole file, strictly: what the tuner writes must pass this. */
export const winnersSchema = z.strictObject({
  schema: z.literal(WINNERS_SCHEMA),
  /** By `DeviceIdentity.key`. */
  devices: z.record(z.string(), deviceSectionSchema),
});
export type Winners = z.infer<typeof winnersSchema>;

/** The envelope alone: entries are then checked one by one, so that one bad entry does not cost the others. */
export const winnersEnvelopeSchema = z.object({
  schema: z.literal(WINNERS_SCHEMA),
  devices: z.record(
    z.string(),
    z.object({ device: z.unknown(), entries: z.array(z.unknown()), decisions: z.array(z.unknown()).default([]) }),
  ),
});

export function emptyWinners(): Winners {
  return { schema: WINNERS_SCHEMA, devices: {} };
}
