import { describe, expect, it } from 'vitest';
import { alignedTable, terminalReport } from '../../cli/bench-text.js';
import { SAMPLE_RESULT } from '../runtime/bench/sample-result.js';

describe('alignedTable', () => {
  it('puts the first column and kernel names left, numbers right', () => {
    const text = alignedTable({ columns: ['', 'ms', 'kernel'], rows: [['dense', '12.5', 'a'], ['x', '3', 'bb']] });
    expect(text.split('\n')).toEqual(['           ms  kernel', '  dense  12.5  a', '  x         3  bb']);
  });
});

describe('terminalReport', () => {
  it('has the facts, every table but the kernel list, and the notes', () => {
    const text = terminalReport(SAMPLE_RESULT);
    for (const part of ['Imaginary CPU', 'Decode\n', 'Prefill\n', "Where a token's time goes", 'Note: a note', '95.0 %']) expect(text).toContain(part);
    expect(text).not.toContain('nearest: tuned for a neighbouring shape');
  });
});
