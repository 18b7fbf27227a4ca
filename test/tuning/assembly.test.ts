import { describe, expect, it } from 'vitest';
import { parseAssembly } from '../../tuning/assembly.js';

/** A kernel's descriptor and one function, as g++ writes them. `names` differ between units, `body` and `data` are the code. */
function unit(id: string, options: { body?: string; data?: string; fn?: string; before?: string } = {}): string {
  const { fn = `_ZN3${id}L7abi_runEv`, body = 'vmovaps .LC0(%rip), %ymm0\n\tret', data = '.LC0:\n\t.long 1\n\t.long 2', before = '' } = options;
  return `\t.file "<stdin>"
\t.text
${before}\t.p2align 4
\t.type\t${fn}, @function
${fn}:
.LFB12:
\t${body.replaceAll('RUN', fn)}
.LFE12:
\t.size\t${fn}, .-${fn}
\t.globl gk_${id}
\t.section .rodata.str1.1,"aMS",@progbits,1
.LC9:
\t.string "${id}"
\t.section .data.rel.ro.local,"aw"
\t.align 32
gk_${id}:
\t.long 1
\t.quad .LC9
\t.quad ${fn}
\t.section .rodata.cst32,"aM",@progbits,32
\t.align 32
${data}
\t.section .note.GNU-stack,"",@progbits
`;
}
const code = (id: string, text: string): string | undefined => parseAssembly(text).codeOf(id)?.text;
const base = code('a', unit('a'));

describe('parseAssembly', () => {
  it('gives the same text for the same code under other names and labels, wherever it lies in its unit', () => {
    expect(base).toBeDefined();
    expect(code('b', unit('b'))).toBe(base);
    const renamed = unit('b').replaceAll('.LC0', '.LC77').replaceAll('.LFB12', '.LFB3').replaceAll('.LC9', '.LC1');
    expect(code('b', renamed)).toBe(base);
    const together = unit('a') + unit('b').replaceAll('.LC', '.LCx').replaceAll('.LF', '.LFx');
    expect(code('a', together)).toBe(base);
    expect(code('b', together)).toBe(base);
    expect(parseAssembly(together).codeOf('b')?.functions).toEqual(['_ZN3bL7abi_runEv']);
  });

  it.each([
    ['an instruction', unit('a', { body: 'vmovups .LC0(%rip), %ymm0\n\tret' })],
    ['a constant', unit('a', { data: '.LC0:\n\t.long 1\n\t.long 3' })],
    ['the length of a constant', unit('a', { data: '.LC0:\n\t.long 1\n\t.long 2\n\t.long 0' })],
    ['what an address is added to', unit('a', { body: 'vmovaps .LC0+4(%rip), %ymm0\n\tret' })],
    ['a function that is called elsewhere', unit('a', { body: 'call expf@PLT\n\tvmovaps .LC0(%rip), %ymm0\n\tret' })],
    ['a number in the descriptor', unit('a').replace('\t.long 1\n\t.quad', '\t.long 2\n\t.quad')],
    ['alignment within code', unit('a', { body: 'vmovaps .LC0(%rip), %ymm0\n\t.p2align 3\n\tret' })],
  ])('tells %s apart', (_what, text) => {
    const other = code('a', text);
    expect(other).toBeDefined();
    expect(other).not.toBe(base);
  });

  it('follows jumps, jump tables and cold parts, in whatever section they are', () => {
    const table = (first: string, second: string): string => `jmp *.L4(,%rax,8)
\t.section .rodata
\t.align 8
.L4:
\t.quad ${first}
\t.quad ${second}
\t.text
.L5:
\tvmovaps .LC0(%rip), %ymm0
\tret
.L6:
\tjmp .L7
\t.section .text.unlikely,"ax",@progbits
\t.type RUN.cold, @function
RUN.cold:
.L7:
\tud2
\t.text`;
    const one = code('a', unit('a', { body: table('.L5', '.L6') }));
    expect(one).toContain('ud2');
    expect(code('b', unit('b', { body: table('.L5', '.L6').replaceAll('.L5', '.L50').replaceAll('.L4', '.L1') }))).toBe(one);
    expect(code('a', unit('a', { body: table('.L6', '.L5') }))).not.toBe(one);
    expect(code('a', unit('a', { body: table('.L5', '.L6').replace('ud2', 'hlt') }))).not.toBe(one);
  });

  it('reads through aliases, merged functions and labels of the same place', () => {
    expect(code('a', unit('a', { body: 'vmovaps .LC5(%rip), %ymm0\n\tret' }) + '\t.set .LC5,.LC0\n')).toBe(base);
    expect(code('a', unit('a', { data: '.LC3:\n.LC0:\n\t.long 1\n\t.long 2' }))).toBe(base);
    expect(code('a', unit('a', { body: 'vmovaps .LC3(%rip), %ymm0\n\tret', data: '.LC3:\n.LC0:\n\t.long 1\n\t.long 3' }))).toContain('.long 3');
    // g++ makes a jump of the second of two equal functions.
    const shared = '\t.type shared, @function\nshared:\n\tvmovaps .LC0(%rip), %ymm0\n\tret\n\t.size shared, .-shared\n';
    expect(code('a', unit('a', { body: 'jmp shared', before: shared }))).toBe(base);
    expect(code('a', unit('a', { body: 'jmp shared', before: shared.replace('ret', 'hlt') }))).not.toBe(base);
  });

  it('says nothing where it is not sure', () => {
    expect(code('other', unit('a'))).toBeUndefined();
    expect(code('a', unit('a', { data: '' }))).toBeUndefined(); // a constant without content
    expect(code('a', unit('a', { body: '.pushsection .text\n\tret' }))).toBeUndefined();
    expect(code('a', unit('a') + unit('a'))).toBeUndefined();
    expect(code('a', '')).toBeUndefined();
  });
});
