import { describe, expect, it } from 'vitest';
import { entriesOf, parsePtxas, spillsIn, warningsIn } from '../../../tuning/cuda/ptxas.js';

/** What nvcc 13.0.88 printed for two kernels and two capabilities; the first spills on purpose, the second calls a function. */
const RECORDED = `sp.cu(11): warning #177-D: variable "never" was declared but never referenced
  extern "C" __attribute__((global)) void gk_a__c__second(float* p,int n){ int never; p[0]=fx(p[1],n);}
                                                                               ^

Remark: The warnings can be suppressed with "-diag-suppress <warning-number>"

sp.cu(11): warning #177-D: variable "never" was declared but never referenced
  extern "C" __attribute__((global)) void gk_a__c__second(float* p,int n){ int never; p[0]=fx(p[1],n);}
                                                                               ^

Remark: The warnings can be suppressed with "-diag-suppress <warning-number>"

ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'gk_a__c__second' for 'sm_80'
ptxas info    : Function properties for gk_a__c__second
    160 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 31 registers, used 0 barriers, 160 bytes cumulative stack size, 364 bytes cmem[0]
ptxas info    : Compile time = 9.207 ms
ptxas info    : Function properties for _Z2fxfi
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Compiling entry function 'gk_a__b__main' for 'sm_80'
ptxas info    : Function properties for gk_a__b__main
    19728 bytes stack frame, 57676 bytes spill stores, 71312 bytes spill loads
ptxas info    : Used 32 registers, used 1 barriers, 19728 bytes cumulative stack size, 360 bytes cmem[0]
ptxas info    : Compile time = 51850.215 ms
ptxas warning : Value of threads per SM for entry gk_a__b__main is out of range. .minnctapersm will be ignored
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'gk_a__c__second' for 'sm_120'
ptxas info    : Function properties for gk_a__c__second
    160 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 38 registers, used 0 barriers, 160 bytes cumulative stack size
ptxas info    : Compile time = 3.795 ms
ptxas info    : Function properties for _Z2fxfi
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Compiling entry function 'gk_a__b__main' for 'sm_120'
ptxas info    : Function properties for gk_a__b__main
    6856 bytes stack frame, 21752 bytes spill stores, 23824 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 6856 bytes cumulative stack size
ptxas info    : Compile time = 4718.817 ms
`;

/** The same compiler on a kernel with static shared memory. */
const SHARED = `ptxas info    : 335 bytes gmem, 8 bytes cmem[4]
ptxas info    : Compiling entry function 'gk_rms_norm__any__sm80__threads512_held4__main' for 'sm_80'
ptxas info    : Function properties for gk_rms_norm__any__sm80__threads512_held4__main
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 52 registers, used 1 barriers, 64 bytes smem, 424 bytes cmem[0]
ptxas info    : Compile time = 51.690 ms
`;

describe('parsePtxas', () => {
  it('reads registers, shared memory, stack, spills and barriers of every entry and capability', () => {
    expect(parsePtxas(RECORDED)).toEqual([
      { entry: 'gk_a__c__second', capability: 80, registers: 31, shared: 0, stack: 160, spillStores: 0, spillLoads: 0, barriers: 0 },
      { entry: 'gk_a__b__main', capability: 80, registers: 32, shared: 0, stack: 19728, spillStores: 57676, spillLoads: 71312, barriers: 1 },
      { entry: 'gk_a__c__second', capability: 120, registers: 38, shared: 0, stack: 160, spillStores: 0, spillLoads: 0, barriers: 0 },
      { entry: 'gk_a__b__main', capability: 120, registers: 64, shared: 0, stack: 6856, spillStores: 21752, spillLoads: 23824, barriers: 1 },
    ]);
    expect(parsePtxas(SHARED)).toMatchObject([{ registers: 52, barriers: 1, shared: 64, stack: 0 }]);
  });

  it('counts the spills of a function that was not inlined as its entry’s, and takes architecture suffixes', () => {
    const text = SHARED.replace("'sm_80'", "'sm_90a'") + `ptxas info    : Function properties for helper\n    32 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads\n`;
    expect(parsePtxas(text)).toMatchObject([{ capability: 90, stack: 0, spillStores: 8, spillLoads: 12 }]);
  });

  it('finds nothing in other text', () => {
    expect(parsePtxas('')).toEqual([]);
    expect(parsePtxas('Used 12 registers\nkernel.cu(3): error: expected a ";"')).toEqual([]);
  });
});

describe('entriesOf', () => {
  it('takes the phases of one kernel at one capability; a longer id with the same beginning is another kernel', () => {
    const reports = parsePtxas(`${SHARED}${SHARED.replaceAll('held4__main', 'held4__sum')}${SHARED.replaceAll('held4__main', 'held42__main')}${RECORDED}`);
    const symbol = 'gk_rms_norm__any__sm80__threads512_held4';
    expect(Object.keys(entriesOf(symbol, 80, reports))).toEqual(['main', 'sum']);
    expect(entriesOf(symbol, 80, reports)['main']).toEqual({ registers: 52, shared: 64, stack: 0, spillStores: 0, spillLoads: 0, barriers: 1 });
    expect(entriesOf(symbol, 86, reports)).toEqual({});
  });
});

describe('warningsIn', () => {
  it('lists each warning of front end and ptxas once, none of the nvcc driver about itself', () => {
    const driver = 'nvcc warning : Support for offline compilation for architectures prior to compute_75 will be removed\n';
    expect(warningsIn(driver + RECORDED)).toEqual([
      'sp.cu(11): warning #177-D: variable "never" was declared but never referenced',
      'ptxas warning : Value of threads per SM for entry gk_a__b__main is out of range. .minnctapersm will be ignored',
    ]);
    expect(warningsIn(SHARED)).toEqual([]);
  });
});

describe('spillsIn', () => {
  it('names the entries that spill, with the numbers', () => {
    const main = { registers: 255, shared: 0, stack: 32, spillStores: 24, spillLoads: 32, barriers: 1 };
    expect(spillsIn({ main, sum: { ...main, spillStores: 0, spillLoads: 0 } })).toBe('main: 24 bytes stored, 32 loaded (255 registers)');
    expect(spillsIn({ sum: { ...main, spillStores: 0, spillLoads: 0 } })).toBeNull();
  });
});
