import { beforeAll, describe, expect, test } from 'vitest';
import { emulatorRunner } from '../../../support/emulate-kernel.js';
import { temporaryDirectories } from '../../../support/temp-dir.js';
import { compileModule, faultOf, runProgram, SCHEDULES, type Launch, type Program } from './fixture.js';

// One kernel per kind of fault: with the fault planted it must be found under every schedule, and its correct twin must pass under every schedule.

interface Case {
  readonly module: 'memory' | 'barriers' | 'order' | 'transfers';
  readonly launch: Launch;
  /** Launched before, without a bug. */
  readonly first?: Launch;
  readonly program?: Omit<Program, 'launches'>;
  /** What the message says, by number of the planted bug. */
  readonly bugs: Readonly<Record<number, RegExp>>;
}

const PLACE = /kernel \w+, block \(\d+,\d+,\d+\), thread \d+: /.source;
const at = (code: number, text: RegExp): RegExp => new RegExp(`^fault ${code}: ${PLACE}.*${text.source}`);

const cases: readonly Case[] = [
  {
    module: 'memory', launch: { entry: 'global_bounds', grid: 2, block: 128 }, program: { outBytes: 1020, n: 255 },
    bugs: {
      1: at(700, /out of bounds: write of 4 bytes at 0x[0-9a-f]+, 0 bytes past the end of allocation #1 \(1020 bytes\)/),
      2: at(700, /out of bounds: read of 4 bytes at 0x[0-9a-f]+, 4 bytes before allocation #2 \(1024 bytes\)/),
    },
  },
  {
    module: 'memory', launch: { entry: 'global_bounds_wide', block: 32 }, program: { n: 254, input: new Uint8Array(1016) },
    bugs: { 1: at(700, /out of bounds: read of \d+ bytes .*4 bytes past the end of allocation #2 \(1016 bytes\)/) },
  },
  {
    module: 'memory', launch: { entry: 'no_address', block: 32 },
    bugs: { 1: at(700, /read of 4 bytes at 0x\w+, (a null pointer|.*no global memory)/), 2: at(700, /no global memory of this device/) },
  },
  {
    module: 'memory', launch: { entry: 'shared_bounds', block: 64 },
    bugs: {
      1: at(700, /out of bounds: write of 4 bytes at 0x[0-9a-f]+, 0 bytes past the end of shared array 'tile' \(256 bytes, index 64\)/),
      2: at(700, /out of bounds: write of 4 bytes at 0x[0-9a-f]+, \d+ bytes past the end of shared array 'first'/),
    },
  },
  {
    module: 'memory', launch: { entry: 'dynamic_bounds', block: 64, shared: 256 },
    bugs: { 1: at(700, /out of bounds: write of 4 bytes at 0x[0-9a-f]+, 0 bytes past the end of dynamic shared memory \(256 bytes\)/) },
  },
  {
    module: 'memory', launch: { entry: 'misaligned', block: 32 },
    bugs: {
      1: at(716, /no multiple of 4/), 2: at(716, /no multiple of 16/), 3: at(716, /no multiple of 16/), 4: at(716, /write of 8 bytes.*no multiple of 8/), 5: at(716, /atomic.*no multiple of 4/),
    },
  },
  {
    module: 'memory', launch: { entry: 'uninitialised_global', block: 32 },
    bugs: { 1: at(719, /uninitialised read of 4 bytes.*allocation #4 .* \+ 4: nobody wrote it/), 2: at(719, /uninitialised read of 4 bytes.*its byte 2 is allocation #4/) },
  },
  { module: 'memory', launch: { entry: 'uninitialised_shared', block: 64 }, bugs: { 1: at(719, /uninitialised read of 4 bytes.*shared array 'tile'\[63\]/) } },
  { module: 'memory', launch: { entry: 'leftover_shared', grid: 2, block: 32 }, bugs: { 1: at(719, /uninitialised read of 4 bytes.*shared array 'tile'/) } },
  { module: 'memory', launch: { entry: 'static_limit', block: 32 }, bugs: { 1: at(701, /static shared memory of 49156 bytes up to array 'large'; 49152 is the limit/) } },
  { module: 'memory', launch: { entry: 'read_only_path', block: 64 }, bugs: { 1: at(719, /through the read-only path, of bytes that this launch wrote/) } },
  { module: 'memory', launch: { entry: 'stack_use', block: 32 }, bugs: { 1: at(719, /used up its stack/) } },
  { module: 'memory', launch: { entry: 'innocent', block: 64 }, bugs: {} },
  {
    module: 'memory', launch: { entry: 'never_ends', block: 32 }, program: { timeoutMs: 100 },
    bugs: { 1: at(702, /cancelled/), 2: at(702, /cancelled/) },
  },
  { module: 'memory', launch: { entry: 'traps', block: 32 }, bugs: { 1: /thread 5: __trap\(\)/ } },

  {
    module: 'barriers', launch: { entry: 'block_barrier', block: 128 },
    bugs: {
      1: at(719, /divergent barrier: the thread .*(96-127 have ended|wait at __syncthreads)/),
      2: at(719, /divergent barrier: the thread .*(40 have ended|wait at __syncthreads)/),
      3: /threads 0-63 wait at __syncthreads, threads 64-127 wait at named barrier 1 \(64 of 128 came\)/,
      4: at(719, /different functions of the __syncthreads family/),
    },
  },
  {
    module: 'barriers', launch: { entry: 'named_barriers', block: 128 },
    bugs: {
      1: /threads 96-127 have ended.*threads 64-95 wait at named barrier 2 \(32 of 64 came\)|threads 64-95 wait at named barrier 2/,
      2: at(719, /named barrier [12] for (64|128) threads, but those who wait expect (64|128)/),
      3: at(719, /named barrier 16: 1 to 15 exist/), 4: at(719, /a multiple of 32/),
    },
  },
  {
    module: 'barriers', launch: { entry: 'lanes', block: 64 },
    bugs: {
      1: /(lanes of its warp wait for it|a shuffle: the mask 0xffffffff names lanes that have ended)/,
      2: /(lane 9 ended, but lanes of its warp wait for it|a warp reduction: the mask 0xffffffff names lanes that have ended: 9)/,
      3: at(719, /a shuffle reads lane (20|4), which is not in the mask/),
      4: at(719, /a shuffle: the calling lane \d+ is not in the mask 0xffff/),
      5: at(719, /wait for each other in different places/),
      6: /wait in __syncwarp with mask 0xffffffff/,
    },
  },
  { module: 'barriers', launch: { entry: 'partial_warp', block: 48 }, bugs: { 1: at(719, /a vote: the mask 0xffffffff names lanes that do not exist: 16-31/) } },
  { module: 'barriers', launch: { entry: 'divergent_matrix', block: 32 }, bugs: { 1: /(lane 31 ended, but lanes|a matrix instruction: the mask 0xffffffff names lanes that have ended)/ } },
  { module: 'barriers', launch: { entry: 'cluster_ends', grid: 4, block: 32, cluster: 2 }, bugs: { 1: at(719, /divergent barrier.*cluster/) } },

  { module: 'order', launch: { entry: 'across_warps', block: 128 }, bugs: { 1: at(719, /(data race: .*shared array 'tile'.*thread \d+ of the same block (wrote|read): no barrier|uninitialised)/) } },
  { module: 'order', launch: { entry: 'within_warp', block: 32 }, bugs: { 1: at(719, /data race: read of 4 bytes.*shared array 'tile'.*of the same block wrote: no barrier/) } },
  { module: 'order', launch: { entry: 'write_after_read', block: 128 }, bugs: { 1: at(719, /data race: .*shared array 'tile'.*no barrier/) } },
  { module: 'order', launch: { entry: 'same_place', block: 64 }, bugs: { 1: at(719, /data race: write of 4 bytes.*allocation #1.*thread (0|32) of the same block wrote/) } },
  { module: 'order', launch: { entry: 'wrong_group', block: 128 }, bugs: { 1: at(719, /(data race: .*no barrier lies between|uninitialised)/) } },
  { module: 'order', launch: { entry: 'neighbours', block: 64 }, bugs: { 1: at(719, /data race: write of 1 byte .*shared array 'bytes'/) } },
  { module: 'order', launch: { entry: 'shared_atomics', block: 128 }, bugs: { 1: at(719, /data race: .*shared array 'bins'/) } },
  { module: 'order', launch: { entry: 'blocks_collide', grid: 4, block: 32 }, bugs: { 1: at(719, /data race: write of 4 bytes.*thread \d+ of block \(\d,0,0\) wrote: nothing orders the blocks/) } },
  { module: 'order', launch: { entry: 'block_reads_block', grid: 4, block: 32 }, bugs: { 1: at(719, /(data race: .*nothing orders the blocks|uninitialised)/) } },
  {
    module: 'order', launch: { entry: 'last_block_sums', grid: 4, block: 64 },
    bugs: { 1: at(719, /data race: read.*nothing orders the blocks/), 2: at(719, /(data race: read.*nothing orders the blocks|uninitialised)/) },
  },
  {
    module: 'order', first: { entry: 'producer', block: 32 }, launch: { entry: 'consumer', block: 32, dependent: true },
    bugs: {
      1: at(719, /read of 4 bytes.*which the launch before \(producer\) wrote: the thread has not called gk::waitForPrevious/),
      2: /^fault 719: kernel consumer: ended without gk::waitForPrevious/,
      3: at(719, /letNextStart before gk::waitForPrevious/),
      4: at(719, /write of 4 bytes.*which the launch before \(producer\) read/),
    },
  },

  {
    module: 'transfers', launch: { entry: 'pipeline', block: 32 }, program: { n: 640, input: new Uint8Array(2560) },
    bugs: {
      1: at(719, /access before the copy landed: read of .*shared array 'stages'/), 2: at(719, /access before the copy landed/), 3: at(719, /(data race|access before the copy landed|uninitialised)/),
      4: at(719, /(data race|access before the copy landed)/), 5: at(716, /an asynchronous copy from .*no multiple of 16/), 6: at(700, /out of bounds: read of 16 bytes/),
    },
  },
  { module: 'transfers', launch: { entry: 'zero_fill', block: 32 }, bugs: {} },
  {
    module: 'transfers', launch: { entry: 'bulk_pipeline', block: 128 }, program: { n: 480, input: new Uint8Array(1920) },
    bugs: {
      1: at(719, /(access before the copy landed|uninitialised|data race)/), 2: at(719, /bulk copies of 384 bytes .* was announced 368/),
      3: /lacks 0 arrivals and 16 bytes of copies/, 4: at(716, /a bulk copy of 380 bytes: a multiple of 16/), 5: at(719, /no fenceBarrierInit/),
      6: at(719, /(no transaction barrier was initialised|data race: .* on the transaction barrier)/), 7: at(719, /(access before the copy landed|data race)/),
      8: /ended while a bulk copy to shared array 'stages'\[0\].* was in flight/, 9: at(719, /no transaction barrier was initialised/), 10: at(716, /not 16-byte aligned/),
    },
  },
  {
    module: 'transfers', launch: { entry: 'barrier_as_data', block: 32 },
    bugs: { 1: at(719, /access to a transaction barrier as if it were data/), 2: at(719, /for 0 arrivals/) },
  },
  {
    module: 'transfers', launch: { entry: 'arrivals', block: 64 },
    bugs: { 1: /lacks 1 arrivals/, 2: at(719, /an arrival too many/), 3: at(719, /(data race|uninitialised)/), 4: at(719, /(data race|uninitialised)/) },
  },
  {
    module: 'transfers', launch: { entry: 'cluster_sum', grid: 4, block: 32, cluster: 2 },
    bugs: { 1: at(719, /(uninitialised|data race)/), 2: at(700, /which has ended/), 3: at(700, /from block 2 of a cluster of 2/) },
  },
];

const directory = temporaryDirectories('emulator-faults');
const modules = new Map<string, string>();

beforeAll(() => {
  emulatorRunner();
  const folder = directory();
  for (const name of ['memory', 'barriers', 'order', 'transfers']) modules.set(name, compileModule(name, 'checked', folder));
}, 240_000);

describe('planted bugs', () => {
  test.each(cases.map((one) => [one.launch.entry, one] as const))('%s', (_, one) => {
    const folder = directory();
    const module = modules.get(one.module)!;
    const before = one.first === undefined ? [] : [one.first];
    for (const schedule of SCHEDULES) {
      expect(faultOf(runProgram(module, { ...one.program, launches: [...before, one.launch] }, folder, schedule)), `correct, ${schedule}`).toBe('');
      for (const [bug, text] of Object.entries(one.bugs)) {
        const program = { ...one.program, launches: [...before, { ...one.launch, bug: Number(bug) }] };
        expect(faultOf(runProgram(module, program, folder, schedule)), `bug ${bug}, ${schedule}`).toMatch(text);
      }
    }
  });
});

describe('launches that are refused', () => {
  const run = (launch: Launch, capability = 90): string => faultOf(runProgram(modules.get('memory')!, { launches: [launch] }, directory(), 'forward', capability));

  test('more threads than the launch bound or the hardware', () => {
    expect(run({ entry: 'misaligned', block: 64 })).toMatch(/^fault 701: kernel misaligned: a block of 64 threads, its launch bound is 32/);
    expect(run({ entry: 'misaligned', block: 2048 })).toMatch(/^fault 1: .*1 to 1024 are possible/);
  });
  test('more shared memory than the capability has', () => {
    expect(run({ entry: 'dynamic_bounds', block: 64, shared: 227 * 1024 })).toBe('');
    expect(run({ entry: 'dynamic_bounds', block: 64, shared: 227 * 1024 + 4 })).toMatch(/^fault 1: .*dynamic shared memory, capability 90 has 232448 per block/);
    expect(run({ entry: 'static_limit', block: 32, shared: 200 * 1024 })).toMatch(/^fault 701: .*32768 bytes of static shared memory .* and 204800 dynamic/);
  });
  test('code for a newer capability', () => {
    expect(run({ entry: 'traps', block: 32 }, 86)).toMatch(/^fault 1: .*compiled for capability 90, the device has 86/);
  });
  test('clusters that do not divide the grid', () => {
    expect(run({ entry: 'traps', grid: 3, block: 32, cluster: 2 })).toMatch(/^fault 1: .*does not divide into clusters of 2/);
  });
});

test('use after free', () => {
  const run = (releaseInput: boolean): string => faultOf(runProgram(modules.get('memory')!, { launches: [{ entry: 'reads_in', block: 64 }], releaseInput }, directory()));
  expect(run(false)).toBe('');
  expect(run(true)).toMatch(/^fault 700: .*use after free: read of 4 bytes at 0x[0-9a-f]+, freed allocation #2 \(1024 bytes\) \+ 0/);
});
