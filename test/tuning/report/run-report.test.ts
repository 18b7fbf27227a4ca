import { describe, expect, it } from 'vitest';
import { formatMarkdown, formatNs, formatTable, type TuneReport } from '../../../tuning/report/run-report.js';

const report: TuneReport = {
  device: { kind: 'cpu', name: 'Test CPU', key: 'cpu-test', isas: ['avx2'], cores: 2, l1dBytes: 1, l2Bytes: 1, l3Bytes: 1, memoryBytes: 1 },
  threads: 2,
  isa: 'avx2',
  compiler: 'g++ 12',
  library: '/lib',
  strategy: 'forest',
  effort: 'normal',
  usableAfterMs: 900,
  dirty: false,
  retaken: 0,
  quarantined: 0,
  budgetMs: 30_000,
  elapsedMs: 12_345,
  interrupted: true,
  roof: { readBytesPerNs: 20.25, flopsPerNs: 150 },
  controlSpread: 1.1,
  problems: [
    {
      problem: 'f()', label: 'decode qkv', formId: 'linear_gemv__bf16__avx2', winner: 'linear_gemv__bf16__avx2__rows4', medianNs: 12_345, defaultNs: 15_000,
      speedUp: 1.215, speedUpInterval: { low: 1.2, high: 1.23 }, tied: [], dirty: false, roofShare: 0.914, spaceSize: 96, tried: 10, reused: 2, failed: 1, reason: 'faster',
    },
    {
      problem: 'g()', label: 'statistic', formId: 'flock_statistic__any__avx2', winner: null, medianNs: null, defaultNs: null,
      speedUp: null, speedUpInterval: null, tied: [], dirty: false, roofShare: null, spaceSize: 4, tried: 1, reused: 0, failed: 1, reason: 'the default variant is wrong',
    },
  ],
  decisions: [{ kind: 'ff_strategy', dims: { hidden: 8, intermediate: 16, k: 8 }, dtype: 'bf16', choice: 'gather', gatherNs: 1500, compactNs: 1490, compactionNs: 99_000 }],
  outcomes: { ok: 9, wrong: 1 },
  failures: [{ problem: 'f()', kernelId: 'linear_gemv__bf16__avx2__rows8', state: 'wrong', message: 'y[0] is 1 | expected\n2' }],
  warnings: ['something is stale'],
  skipped: { journalLines: 0, oldLines: 0, libraryEntries: 0 },
};

describe('report', () => {
  it('prints one aligned row per problem', () => {
    const lines = formatTable(report).split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^decode qkv +avx2 rows4 +12\.3 µs +91 % +1\.22× +10\/96 +1$/);
    expect(lines[2]).toMatch(/^statistic +– +– +– +– +1\/4 +1$/);
    expect(lines[0]?.indexOf('winner')).toBe(lines[1]?.indexOf('avx2 rows4'));
  });

  it('writes Markdown with device, roofs, decision, warnings and failures on one line each', () => {
    const text = formatMarkdown(report);
    expect(text).toContain('- Time: 12.3 s of a budget of 30.0 s; interrupted');
    expect(text).toContain('20.3 GB/s read, 150 GFLOP/s');
    expect(text).toContain('- Warning: something is stale');
    expect(text).toContain('k = 8 of 16: **gather**');
    expect(text).toContain('| f() | linear_gemv__bf16__avx2__rows8 | wrong | y[0] is 1 \\| expected 2 |');
  });

  it('chooses units', () => {
    expect([1234, 12_345, 12_345_678].map(formatNs)).toEqual(['1234 ns', '12.3 µs', '12.35 ms']);
  });
});
