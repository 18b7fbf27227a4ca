import { describe, expect, it } from 'vitest';
import { COMMON_FLAGS, compilerFlags, ISA_SPECS } from '../../generator/isa.js';
import { CPU_ISAS } from '../../generator/types.js';

describe('instruction sets', () => {
  it('describe every one, each with the target flags of those before it', () => {
    let before: readonly string[] = [];
    for (const isa of CPU_ISAS) {
      const spec = ISA_SPECS[isa];
      expect(spec.name).toBe(isa);
      expect(spec.doc).not.toBe('');
      expect(spec.flags).toEqual(expect.arrayContaining([...before]));
      expect(compilerFlags(isa)).toEqual([...COMMON_FLAGS, ...spec.flags]);
      before = spec.flags;
    }
    expect(CPU_ISAS.map((isa) => ISA_SPECS[isa].lanes)).toEqual([8, 8, 16, 16]);
  });

  it('keep IEEE meaning and name no machine', () => {
    for (const isa of CPU_ISAS) {
      for (const flag of compilerFlags(isa)) expect(flag).not.toMatch(/fast-math|associative|reciprocal|finite-math|native|^\//);
    }
    expect(COMMON_FLAGS).toContain('-ffp-contract=off');
  });
});
