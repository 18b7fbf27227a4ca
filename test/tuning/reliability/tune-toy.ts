/** One tuning run of the toy family as a process of its own, to be killed: `tune-toy.ts LIBRARY [SHARD/SHARDS]`. Prints the winners as JSON. */
import { join } from 'node:path';
import type { ModelConfig } from '../../../runtime/checkpoint/types.js';
import { tune } from '../../../tuning/tune.js';
import { createToyBuilder } from '../support/toy-builder.js';
import { MODES, toyFamily, toyProblem } from '../support/toy-family.js';

const [library = '', shardText = ''] = process.argv.slice(2);
const [index = 0, of = 1] = shardText.split('/').map(Number);
const modes = [MODES.good, MODES.faster, MODES.wrongWhenRagged, MODES.writesPastEnd, MODES.goodAgain, MODES.hopelesslySlow, MODES.changesInput];

const report = await tune({
  config: {} as ModelConfig, // the toy problems do not come from a model
  effort: 'exhaustive',
  library,
  ...(shardText === '' ? {} : { shard: { index, of } }),
  parts: {
    families: [{ ...toyFamily, cpu: { ...toyFamily.cpu, axes: [{ name: 'mode', values: modes, doc: 'how it behaves' }] } }],
    environmentUrl: new URL('../support/toy-environment.ts', import.meta.url).href,
    createBuilder: (directory) => Promise.resolve(createToyBuilder(join(directory, 'candidates'))),
    problems: () => [16, 64].map((n) => ({ problem: { ...toyProblem, dims: { rows: 2, n } }, label: `toy ${n}`, callsPerToken: 1, callsPerChunk: 0 })),
    candidateLimitMs: 5000,
  },
});
process.stdout.write(`${JSON.stringify(Object.fromEntries(report.problems.map(({ problem, winner }) => [problem, winner])))}\n`);
