/** Sections, symbols and relocations of 64-bit little-endian ELF files: shared objects, and the code that CUDA compilers write. */

export interface ElfSection {
  readonly name: string;
  /** SHT_…: 8 has a size but no bytes in the file. */
  readonly type: number;
  readonly info: number;
  readonly size: number;
  /** Empty for a section without bytes in the file. */
  readonly bytes: Uint8Array;
}

export interface ElfSymbol {
  readonly name: string;
  /** STT_…: 1 object, 2 function, 3 section. */
  readonly type: number;
  /** Index of its section; 0: defined elsewhere. */
  readonly section: number;
  /** Within its section in relocatable files, an address in others. */
  readonly value: number;
  readonly size: number;
}

export interface ElfRelocation {
  /** Index of the section that is patched, and where. */
  readonly section: number;
  readonly offset: number;
  readonly type: number;
  readonly symbol: ElfSymbol;
  readonly addend: bigint;
}

export interface ElfFile {
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
  readonly relocations: readonly ElfRelocation[];
}

const SYMTAB = 2;
const RELA = 4;
const NOBITS = 8;
const REL = 9;

/** Null for what is no such file, or is damaged. */
export function parseElf(bytes: Uint8Array): ElfFile | null {
  try {
    return parse(bytes);
  } catch (error) {
    if (error instanceof RangeError || error instanceof Damaged) return null;
    throw error;
  }
}

class Damaged extends Error {}

function parse(bytes: Uint8Array): ElfFile | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (at: number): number => Number(view.getBigUint64(at, true));
  const is64 = bytes.length >= 64 && view.getUint32(0) === 0x7f454c46 && bytes[4] === 2 && bytes[5] === 1;
  if (!is64) return null;
  const [table, entry, count, namesAt] = [word(40), view.getUint16(58, true), view.getUint16(60, true), view.getUint16(62, true)];
  const headers = Array.from({ length: count }, (_, i) => {
    const at = table + i * entry;
    const header = {
      name: view.getUint32(at, true), type: view.getUint32(at + 4, true), offset: word(at + 24), size: word(at + 32),
      link: view.getUint32(at + 40, true), info: view.getUint32(at + 44, true), entry: word(at + 56),
    };
    if (header.type !== NOBITS && header.type !== 0 && header.offset + header.size > bytes.length) throw new Damaged();
    return header;
  });
  const contents = (index: number): Uint8Array => {
    const header = headers[index];
    if (header === undefined || header.type === NOBITS) return new Uint8Array();
    return bytes.subarray(header.offset, header.offset + header.size);
  };
  const text = (table: Uint8Array, at: number): string => {
    const end = table.indexOf(0, at);
    if (end < 0) throw new Damaged();
    return Buffer.from(table.buffer, table.byteOffset + at, end - at).toString('latin1');
  };
  const sectionNames = contents(namesAt);
  const sections = headers.map((header, i) => ({ name: text(sectionNames, header.name), type: header.type, info: header.info, size: header.size, bytes: contents(i) }));

  const tables = new Map<number, readonly ElfSymbol[]>();
  headers.forEach((header, i) => {
    if (header.type !== SYMTAB) return;
    const names = contents(header.link);
    const symbols = Array.from({ length: Math.floor(header.size / 24) }, (_, s): ElfSymbol => {
      const at = header.offset + s * 24;
      return { name: text(names, view.getUint32(at, true)), type: view.getUint8(at + 4) & 15, section: view.getUint16(at + 6, true), value: word(at + 8), size: word(at + 16) };
    });
    tables.set(i, symbols);
  });
  const relocations = headers.flatMap((header) => {
    if (header.type !== RELA && header.type !== REL) return [];
    const size = header.type === RELA ? 24 : 16;
    const symbols = tables.get(header.link);
    if (symbols === undefined) return []; // for the dynamic loader
    return Array.from({ length: Math.floor(header.size / size) }, (_, r): ElfRelocation => {
      const at = header.offset + r * size;
      const symbol = symbols[view.getUint32(at + 12, true)];
      if (symbol === undefined) throw new Damaged();
      return { section: header.info, offset: word(at), type: view.getUint32(at + 8, true), symbol, addend: size === 24 ? view.getBigInt64(at + 16, true) : 0n };
    });
  });
  return { sections, symbols: [...tables.values()].flat(), relocations };
}
