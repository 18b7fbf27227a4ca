import { describe, expect, it } from 'vitest';
import { chosen, findTool, isasOfFlags, machineFacts, sizeBytes } from '../../../cli/doctor/machine.js';

const AVX2 = ['avx2', 'fma', 'f16c'];
const AVX512 = [...AVX2, 'avx512f', 'avx512bw', 'avx512vl', 'avx512dq'];

describe('isasOfFlags', () => {
  it.each([
    ['nothing', [], ['portable']],
    ['AVX2 without FMA', ['avx2', 'f16c'], ['portable']],
    ['AVX2', AVX2, ['portable', 'avx2']],
    ['AVX-512', AVX512, ['portable', 'avx2', 'avx512']],
    ['AVX-512 with BF16', [...AVX512, 'avx512_bf16'], ['portable', 'avx2', 'avx512', 'avx512bf16']],
    ['BF16 without the rest of AVX-512', [...AVX2, 'avx512_bf16'], ['portable', 'avx2']],
  ])('%s', (_name, flags, isas) => expect(isasOfFlags(new Set(flags))).toEqual(isas));
});

describe('what sysfs says', () => {
  it('reads the bracketed choice', () => {
    expect(chosen('always [madvise] never\n')).toBe('madvise');
    expect(chosen('')).toBe('unknown');
  });
  it('reads sizes', () => expect([sizeBytes('32K\n'), sizeBytes('36M'), sizeBytes('512'), sizeBytes('?')]).toEqual([32768, 37748736, 512, 0]));
});

describe('machineFacts', () => {
  it('describes this machine', () => {
    const facts = machineFacts(3);
    expect(facts.cores).toBe(3);
    expect(facts.isas[0]).toBe('portable');
    expect(facts.memoryBytes).toBeGreaterThan(facts.freeMemoryBytes);
    expect(facts.cpu).not.toBe('');
  });
});

describe('findTool', () => {
  it('skips what is not there', () => expect(findTool('no-such-command-for-griffin', 'node')).toMatchObject({ command: 'node', version: process.version }));
  it('is null when nothing runs', () => expect(findTool('no-such-command-for-griffin')).toBeNull());
});
