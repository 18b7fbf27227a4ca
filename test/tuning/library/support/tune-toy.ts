/** A tuner as a process of its own, on the toy family: arguments are the library, the shard (`0/4`, 0-based) or `all`, and the limit of a candidate in ms. */
import { join } from 'node:path';
import { kernelId } from '../../../../generator/ids.js';
import type { ModelConfig } from '../../../../runtime/checkpoint/types.js';
import type { KernelBuilder } from '../../../../tuning/kernel-builder.js';
import { tune } from '../../../../tuning/tune.js';
import { createToyBuilder } from '../../support/toy-builder.js';
import { toyFamily, toyProblem } from '../../support/toy-family.js';
import { sha256 } from './library.js';

const DEFAULT_ID = 'toy_scale__any__portable__mode0';
const [library = '', shard = 'all', limit = '1500'] = process.argv.slice(2);
const [index, of] = shard.split('/').map(Number);

/** A source's hash is that of the file beside the binary, as the real builder has it: merging finds binaries by it. */
function createBuilder(): KernelBuilder {
  const builder = createToyBuilder(join(library, 'candidates', shard.replace('/', '-')));
  return { ...builder, sourceHash: (variant, family) => sha256(`source of ${kernelId(variant, family)}`), formHash: () => sha256(`source of ${DEFAULT_ID}`) };
}

await tune({
  config: {} as ModelConfig, // the toy problems do not come from a model
  effort: 'exhaustive',
  strategy: 'exhaustive',
  library,
  ...(index === undefined || of === undefined ? {} : { shard: { index, of } }),
  parts: {
    families: [toyFamily],
    environmentUrl: new URL('../../support/toy-environment.ts', import.meta.url).href,
    // Each process compiles for itself, as machines do.
    createBuilder: () => Promise.resolve(createBuilder()),
    problems: () => [64, 96].map((n) => ({ problem: { ...toyProblem, dims: { rows: 2, n } }, label: `toy ${n}`, callsPerToken: 1, callsPerChunk: 0 })),
    candidateLimitMs: Number(limit),
  },
});
