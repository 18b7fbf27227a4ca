import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseElf } from '../../tuning/elf.js';

/** A relocatable file with one function of four bytes that refers to one constant, built by hand. */
function relocatable(): Uint8Array {
  const names = ['', '.text', '.rodata', '.symtab', '.strtab', '.rela.text', '.bss', '.shstrtab'];
  const table = (list: readonly string[]): { bytes: Buffer; at: (name: string) => number } => {
    const bytes = Buffer.from(`${list.join('\0')}\0`, 'latin1');
    return { bytes, at: (name) => list.slice(0, list.indexOf(name)).reduce((sum, one) => sum + one.length + 1, 0) };
  };
  const sectionNames = table(names);
  const symbolNames = table(['', 'function', 'constant', 'elsewhere']);
  const symbol = (name: string, type: number, section: number, value: number, size: number): Buffer => {
    const bytes = Buffer.alloc(24);
    bytes.writeUInt32LE(symbolNames.at(name), 0);
    bytes[4] = type;
    bytes.writeUInt16LE(section, 6);
    bytes.writeBigUInt64LE(BigInt(value), 8);
    bytes.writeBigUInt64LE(BigInt(size), 16);
    return bytes;
  };
  const rela = Buffer.alloc(24);
  rela.writeBigUInt64LE(1n, 0);
  rela.writeBigUInt64LE((2n << 32n) | 2n, 8);
  rela.writeBigInt64LE(-4n, 16);
  const symbols = Buffer.concat([symbol('', 0, 0, 0, 0), symbol('function', 0x12, 1, 0, 4), symbol('constant', 1, 2, 0, 8), symbol('elsewhere', 0x10, 0, 0, 0)]);
  const contents: [type: number, bytes: Buffer, link: number, info: number, size?: number][] = [
    [0, Buffer.alloc(0), 0, 0], [1, Buffer.from([1, 2, 3, 4]), 0, 0], [1, Buffer.alloc(8, 7), 0, 0], [2, symbols, 4, 1],
    [3, symbolNames.bytes, 0, 0], [4, rela, 3, 1], [8, Buffer.alloc(0), 0, 0, 100], [3, sectionNames.bytes, 0, 0],
  ];
  const headers: Buffer[] = [];
  const body: Buffer[] = [];
  let offset = 64;
  contents.forEach(([type, bytes, link, info, size], i) => {
    const header = Buffer.alloc(64);
    header.writeUInt32LE(sectionNames.at(names[i]!), 0);
    header.writeUInt32LE(type, 4);
    header.writeBigUInt64LE(BigInt(offset), 24);
    header.writeBigUInt64LE(BigInt(size ?? bytes.length), 32);
    header.writeUInt32LE(link, 40);
    header.writeUInt32LE(info, 44);
    headers.push(header);
    body.push(bytes);
    offset += bytes.length;
  });
  const head = Buffer.alloc(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.writeBigUInt64LE(BigInt(offset), 40);
  head.writeUInt16LE(64, 58);
  head.writeUInt16LE(headers.length, 60);
  head.writeUInt16LE(headers.length - 1, 62);
  return Buffer.concat([head, ...body, ...headers]);
}

describe('parseElf', () => {
  it('reads sections, symbols and relocations', () => {
    const elf = parseElf(relocatable());
    expect(elf?.sections.map(({ name, size, bytes }) => [name, size, bytes.length])).toEqual([
      ['', 0, 0], ['.text', 4, 4], ['.rodata', 8, 8], ['.symtab', 96, 96], ['.strtab', 29, 29], ['.rela.text', 24, 24], ['.bss', 100, 0], ['.shstrtab', 57, 57],
    ]);
    expect(elf?.symbols.slice(1)).toEqual([
      { name: 'function', type: 2, section: 1, value: 0, size: 4 },
      { name: 'constant', type: 1, section: 2, value: 0, size: 8 },
      { name: 'elsewhere', type: 0, section: 0, value: 0, size: 0 },
    ]);
    expect(elf?.relocations).toEqual([{ section: 1, offset: 1, type: 2, symbol: elf?.symbols[2], addend: -4n }]);
  });

  it('refuses what is no such file, or is cut off or damaged, without an exception', () => {
    expect(parseElf(readFileSync(import.meta.filename))).toBeNull();
    const whole = relocatable();
    for (let length = 0; length < whole.length; length += 3) expect(parseElf(whole.subarray(0, length))).toBeNull();
    for (let i = 0; i < whole.length; i++) {
      const damaged = Uint8Array.from(whole);
      damaged[i] = 0xff;
      expect(() => parseElf(damaged)).not.toThrow();
    }
  });
});
