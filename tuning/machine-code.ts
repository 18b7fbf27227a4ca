/**
 * Hashes by which kernels are recognised whose code is the same although their ids differ: such kernels are timed once. Two kernels
 * with different code never share a hash; where it is not clear what belongs to a kernel, its hash is its own.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { namespaceOfId } from '../generator/ids.js';
import { parseAssembly } from './assembly.js';
import { parseElf, type ElfFile, type ElfRelocation, type ElfSymbol } from './elf.js';

export interface MachineCode {
  /** SHA-256, 64 hexadecimal digits. */
  readonly hash: string;
  /** Bytes of its functions. */
  readonly codeBytes?: number;
}

const sha256 = (parts: unknown): string => createHash('sha256').update(JSON.stringify(parts)).digest('hex');

/**
 * Kernels compiled by a C++ compiler as one unit.
 *
 * @param assembly what the compiler wrote (`-S`)
 * @param object what was assembled and linked from it
 */
export function machineCodeOfUnit(kernelIds: readonly string[], assembly: string, object: Uint8Array): ReadonlyMap<string, MachineCode> {
  const unit = parseAssembly(assembly);
  const sizes = functionSizes(parseElf(object));
  const found = kernelIds.flatMap((id): [string, MachineCode][] => {
    const code = unit.codeOf(id);
    if (code === null) return [];
    const codeBytes = code.functions.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
    return [[id, { hash: sha256(['assembly', code.text]), codeBytes }]];
  });
  return new Map(found);
}

function functionSizes(elf: ElfFile | null): ReadonlyMap<string, number> {
  return new Map((elf?.symbols ?? []).filter((symbol) => symbol.type === FUNCTION).map(({ name, size }) => [name, size]));
}

/** Of a kernel in a shared object whose assembly is gone: the functions of its namespace. Empty where there are none. */
export async function codeBytesOf(kernelId: string, path: string): Promise<{ readonly codeBytes?: number }> {
  const name = namespaceOfId(kernelId);
  const sizes = functionSizes(parseElf(await readFile(path)));
  const own = [...sizes].filter(([symbol]) => symbol.includes(`${name.length}${name}`));
  return own.length === 0 ? {} : { codeBytes: own.reduce((sum, [, size]) => sum + size, 0) };
}

const OBJECT = 1;
const FUNCTION = 2;

/**
 * A kernel in a cubin: the code of its entries, what the device reads to launch it, and the constants that they use. Null when that
 * cannot be told, e.g. for a file that is no cubin.
 */
export function machineCodeOfCubin(kernelId: string, cubin: Uint8Array): MachineCode | null {
  const elf = parseElf(cubin);
  if (elf === null) return null;
  const anonymous = (text: string): string => text.replaceAll(kernelId, '<id>');
  const prefix = `.text.gk_${kernelId}__`;
  const entries = elf.sections.flatMap((section, index) => (section.name.startsWith(prefix) ? [{ section, index, phase: section.name.slice(prefix.length) }] : []));
  const description = elf.symbols.find((symbol) => symbol.name === `gk_meta_${kernelId}`);
  const meta = description === undefined ? null : bytesOf(elf, description);
  if (entries.length === 0 || meta === null) return null;
  const parts: unknown[] = ['cubin', anonymous(Buffer.from(meta).toString('latin1')), moduleConstants(elf)];
  let codeBytes = 0;
  for (const { section, index, phase } of entries.sort((a, b) => (a.phase < b.phase ? -1 : 1))) {
    const relocations = elf.relocations.filter((relocation) => relocation.section === index).map((relocation) => relocationText(elf, relocation, index, anonymous));
    if (relocations.includes(null)) return null;
    // Of `info`, the upper eight bits count registers; the rest is the number of a symbol.
    parts.push(phase, digest(section.bytes), section.info >>> 24, relocations);
    for (const other of elf.sections) if (isConstantOf(other.name, `gk_${kernelId}__${phase}`)) parts.push(anonymous(other.name), other.size, digest(other.bytes));
    codeBytes += section.size;
  }
  return { hash: sha256(parts), codeBytes };
}

/** An entry's own constant banks (bank 0: its parameters) and its shared memory. */
function isConstantOf(section: string, entry: string): boolean {
  return section.endsWith(`.${entry}`) && (section.startsWith('.nv.constant') || section.startsWith('.nv.shared') || section.startsWith('.nv.local'));
}

/**
 * What code reads of its module at fixed places, without a relocation: `__constant__` variables (bank 3), and the table of addresses
 * of variables (bank 4). All of it counts for every kernel. Kernels' descriptions are in the table too; no kernel reads them.
 */
function moduleConstants(elf: ElfFile): unknown {
  const banks = elf.sections.filter((section) => section.name === '.nv.constant3').map((section) => digest(section.bytes));
  const table = elf.sections.findIndex((section) => section.name === '.nv.constant4');
  const addresses = elf.relocations
    .filter((relocation) => relocation.section === table && !relocation.symbol.name.startsWith('gk_meta_'))
    .map(({ offset, symbol }) => [offset, symbol.name, digest(bytesOf(elf, symbol) ?? new Uint8Array())]);
  return [banks, addresses];
}

/** Where, how, and with what content or code; null where the symbol's content is not known. */
function relocationText(elf: ElfFile, { offset, type, symbol, addend }: ElfRelocation, own: number, anonymous: (text: string) => string): unknown {
  const head = [offset, type, String(addend)];
  if (symbol.section === 0) return [...head, 'elsewhere', anonymous(symbol.name)];
  if (symbol.section === own) return [...head, 'own', symbol.value];
  const content = symbol.type === OBJECT ? bytesOf(elf, symbol) : null;
  return content === null ? null : [...head, 'constant', symbol.size, digest(content)];
}

/** A symbol's bytes; null where it has none in the file. */
function bytesOf(elf: ElfFile, symbol: ElfSymbol): Uint8Array | null {
  const section = elf.sections[symbol.section];
  if (section === undefined || symbol.size === 0 || symbol.value + symbol.size > section.bytes.length) return null;
  return section.bytes.subarray(symbol.value, symbol.value + symbol.size);
}

function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * The hash of a kernel whose code is not looked into: equal to no other's.
 *
 * @param sourceHash of the kernel's source
 */
export function ownMachineCode(kernelId: string, sourceHash: string): string {
  return sha256(['own', kernelId, sourceHash]);
}
