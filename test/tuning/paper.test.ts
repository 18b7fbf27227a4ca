import { describe, expect, it } from 'vitest';
import { syntheticConfig } from '../../runtime/checkpoint/index.js';
import { GPU_DATA_SHEETS, type GpuDataSheet } from '../../tuning/gpus.js';
import { LATENCY_NS, neededInFlight, paperRows, variantsOf, type EntryNeeds } from '../../tuning/paper.js';
import { paperMarkdown } from '../../tuning/paper-report.js';

const H100 = GPU_DATA_SHEETS.find(({ capability }) => capability === 90) as GpuDataSheet;
const config = syntheticConfig('llama-2-7b');
/** Whatever the phase is called. */
const same = (needs: EntryNeeds): Readonly<Record<string, EntryNeeds>> => new Proxy({}, { get: () => needs });
const rows = (needs: EntryNeeds | null) => paperRows('llama-2-7b', config, { gpu: H100, density: 0.5, statistics: () => (needs === null ? null : same(needs)) });

describe('the analysis on paper', () => {
  it('asks for bandwidth × latency per multiprocessor', () => {
    expect(neededInFlight({ name: 'x', capability: 90, multiprocessors: 100, bandwidth: 1e12 })).toBeCloseTo((1e12 * LATENCY_NS * 1e-9) / 100);
  });

  it('counts the bytes of the rows that a product reads', () => {
    const bytes = new Map(rows(null).map((row) => [row.problem, row.bytes]));
    // 11008 neurons of 4096 bf16 weights, twice in gate/up; half of them at density 0.5.
    expect(bytes).toEqual(new Map([['gate/up dense', 11008 * 4096 * 2 * 2], ['down dense', 11008 * 4096 * 2], ['gate/up k=5504', 5504 * 4096 * 2 * 2], ['down k=5504', 5504 * 4096 * 2]]));
  });

  it('lets registers limit what is resident, and with it what is in flight', () => {
    const few = rows({ registers: 32, shared: 0, spillBytes: 0 });
    const many = rows({ registers: 128, shared: 0, spillBytes: 0 });
    for (const [i, row] of few.entries()) {
      expect(row.blocksPerSm).toBeGreaterThanOrEqual(many[i]?.blocksPerSm ?? Number.NaN);
      // At 128 registers 512 threads use up a multiprocessor's 65536.
      expect((many[i]?.blocksPerSm ?? 0) * row.threads).toBeLessThanOrEqual(512);
      expect(row.inFlight).toBe(Math.min(row.blocksPerSm ?? 0, Math.ceil(row.blocks / 132)) * row.threads * (row.bytesPerThread ?? 0));
    }
    expect(few.some((row, i) => (row.blocksPerSm ?? 0) > (many[i]?.blocksPerSm ?? 0))).toBe(true);
  });

  it('has no opinion where the compiler has said nothing', () => {
    for (const row of rows(null)) expect([row.registers, row.blocksPerSm, row.occupancy, row.inFlight]).toEqual([null, null, null, null]);
  });

  it('takes winners beside the defaults, and lists what must be compiled once', () => {
    const [id = ''] = rows(null).map((row) => row.kernelId);
    const found = paperRows('m', config, { gpu: H100, density: 0.5, statistics: () => null, winners: ({ family }) => (id.startsWith(family) ? [id] : []) });
    expect(found.filter(({ origin }) => origin === 'winner').map((row) => row.problem)).toEqual(['gate/up dense', 'gate/up k=5504']);
    const variants = variantsOf([config, config], H100, [id]);
    expect(variants).toHaveLength(new Set(rows(null).map((row) => row.kernelId)).size);
  });

  it('renders tables whose rows have as many cells as their header', () => {
    const text = paperMarkdown([{ gpu: H100, density: 0.5, compiler: 'a compiler', rows: rows({ registers: 64, shared: 0, spillBytes: 8 }), command: 'npx griffin report' }]);
    const counts = text.split('\n').filter((line) => line.startsWith('|')).map((line) => line.split('|').length);
    expect(counts.length).toBeGreaterThan(4);
    expect(new Set(counts).size).toBe(1);
    expect(text).toContain('(spills 8 B)');
  });
});
