/**
 * What one kernel of a translation unit consists of, as the compiler wrote it in assembly, without the names and positions that differ
 * between equal kernels. Assembly is read rather than the linked object because every constant and every jump still has its own label
 * there: in an object, constants of all kernels of a unit lie in one section without bounds, and jumps are distances.
 */

export interface Assembly {
  /**
   * The code that a kernel reaches, and the names of its functions; null when the text has something in it that this reader is not sure
   * of. Equal texts are equal machine code up to addresses: every function and constant that is reached is part of it, labels are
   * numbered as they are met.
   */
  codeOf(kernelId: string): KernelCode | null;
}

export interface KernelCode {
  readonly text: string;
  /** Symbols of its functions in the object. */
  readonly functions: readonly string[];
}

/** Consecutive lines of one section, from a function's or a constant's label to the next one. */
interface Chunk {
  readonly name: string;
  readonly code: boolean;
  readonly lines: Line[];
  /** What follows in the section. */
  next: Chunk | null;
}

/** A local label within code, or an instruction or directive. */
type Line = { readonly label: string } | { readonly text: string };

interface Place {
  readonly chunk: Chunk;
  /** It is where the chunk begins. */
  readonly start: boolean;
}

interface Unit {
  readonly places: ReadonlyMap<string, Place>;
  readonly aliases: ReadonlyMap<string, string>;
  /** Every name that is mentioned. */
  readonly mentioned: ReadonlySet<string>;
}

/** About symbols, files and debugging: nothing that runs. */
const IGNORED = /^\.(file|ident|type|size|globl|global|hidden|internal|protected|weak|local|loc|cfi_\w+|addrsig\w*|note)\b/;
const ALIGNMENT = /^\.(align|p2align|balign)\b/;
const SECTION = /^\.(section|text|data|bss)\b/;
/** They move between sections in ways that are not followed here. */
const UNKNOWN_SECTION = /^\.(pushsection|popsection|previous|subsection|macro|include|rept|irp)\b/;
const NAME = /(?<![%\w.])[A-Za-z_.][\w.]*/g;

/** Never throws: text that cannot be read has no code of any kernel. */
export function parseAssembly(text: string): Assembly {
  const unit = readUnit(text);
  return { codeOf: (kernelId) => (unit === null ? null : walk(unit, kernelId)) };
}

function readUnit(text: string): Unit | null {
  const places = new Map<string, Place>();
  const aliases = new Map<string, string>();
  const mentioned = new Set<string>();
  const current = new Map<string, Chunk>();
  let section = { name: '.text', code: true };
  const open = (name: string): Chunk => {
    const chunk: Chunk = { name, code: section.code, lines: [], next: null };
    const before = current.get(section.name);
    if (before !== undefined) before.next = chunk;
    current.set(section.name, chunk);
    return chunk;
  };
  for (const raw of text.split('\n')) {
    let line = withoutComment(raw);
    if (line === '' || IGNORED.test(line)) continue;
    if (UNKNOWN_SECTION.test(line)) return null;
    if (SECTION.test(line)) {
      section = sectionOf(line);
      continue;
    }
    const set = /^\.set\s+([^\s,]+)\s*,\s*(.*)$/.exec(line) ?? /^([A-Za-z_.][\w.]*)\s*=\s*(.*)$/.exec(line);
    if (set !== null) {
      if (aliases.has(set[1]!)) return null; // a variable of the assembler, not an alias
      aliases.set(set[1]!, set[2]!);
      continue;
    }
    const label = /^([A-Za-z_.$][\w.$]*):\s*(.*)$/.exec(line);
    if (label !== null) {
      const name = label[1]!;
      if (places.has(name)) return null;
      const inner = section.code && name.startsWith('.L') ? current.get(section.name) : undefined;
      if (inner === undefined) places.set(name, { chunk: open(name), start: true });
      else {
        places.set(name, { chunk: inner, start: false });
        inner.lines.push({ label: name });
      }
      line = label[2]!;
      if (line === '') continue;
    }
    (current.get(section.name) ?? open('')).lines.push({ text: line });
    if (!line.includes('"')) for (const name of line.match(NAME) ?? []) mentioned.add(name);
  }
  for (const expression of aliases.values()) for (const name of expression.match(NAME) ?? []) mentioned.add(name);
  return { places, aliases, mentioned };
}

/** Trimmed, blanks made one. Text in quotes is left alone. */
function withoutComment(raw: string): string {
  const line = raw.trim();
  if (line.startsWith('#') || line.startsWith('//') || line.startsWith('@ ')) return '';
  if (line.includes('"')) return line;
  return line.replace(/\s+(#|\/\/)\s.*$/, '').replace(/\s+/g, ' ');
}

function sectionOf(line: string): { name: string; code: boolean } {
  const match = /^\.section\s+([^\s,]+)(?:\s*,\s*"([^"]*)")?/.exec(line);
  if (match === null) return { name: line.split(/\s/)[0]!, code: line.startsWith('.text') };
  return { name: match[1]!, code: match[2]?.includes('x') === true || match[1]!.startsWith('.text') };
}

/** The symbols that others see of a kernel: its descriptor, or its entries and its description. */
function rootsOf(unit: Unit, kernelId: string): readonly string[] {
  return [...unit.places.keys()].filter((name) => name === `gk_${kernelId}` || name === `gk_meta_${kernelId}` || name.startsWith(`gk_${kernelId}__`)).sort();
}

/** From a kernel's symbols through everything they mention, breadth first. */
function walk(unit: Unit, kernelId: string): KernelCode | null {
  const numbers = new Map<Chunk, number>();
  const labels = new Map<string, number>();
  const queue: Chunk[] = [];
  const functions: string[] = [];
  let sure = true;

  function chunkName(chunk: Chunk): string {
    let number = numbers.get(chunk);
    if (number === undefined) {
      number = numbers.size;
      numbers.set(chunk, number);
      queue.push(chunk);
      if (chunk.code) functions.push(chunk.name);
    }
    return `C${number}`;
  }
  function labelName(name: string): string {
    let number = labels.get(name);
    if (number === undefined) {
      number = labels.size;
      labels.set(name, number);
    }
    return `L${number}`;
  }
  function replaced(text: string, depth = 0): string {
    return text.replace(NAME, (name) => {
      const alias = unit.aliases.get(name);
      if (alias !== undefined) {
        if (depth > 16) sure = false;
        return depth > 16 ? name : replaced(alias, depth + 1);
      }
      const place = unit.places.get(name);
      if (place === undefined) {
        if (name.startsWith('.L')) sure = false; // its content is not known
        return name;
      }
      if (place.start) return chunkName(target(place.chunk, unit));
      chunkName(place.chunk);
      return labelName(name);
    });
  }

  const roots = rootsOf(unit, kernelId);
  if (roots.length === 0) return null;
  const out = roots.map((name) => `${name.replaceAll(kernelId, '<id>')} = ${replaced(name)}`);
  for (let chunk = queue.shift(); chunk !== undefined && sure; chunk = queue.shift()) {
    out.push(`${chunkName(chunk)} ${chunk.code ? 'code' : 'data'}`);
    const body = chunk.lines.slice(0, bodyLength(chunk));
    for (const line of body) {
      if ('label' in line) {
        if (unit.mentioned.has(line.label)) out.push(`${labelName(line.label)}:`);
      } else out.push(line.text.includes('"') ? line.text.replaceAll(kernelId, '<id>') : replaced(line.text));
    }
    // Two labels of one place: the first one's content is the second one's.
    if (body.length === 0) {
      if (chunk.next === null) return null;
      out.push(`then ${chunkName(chunk.next)}`);
    }
  }
  return sure ? { text: out.join('\n'), functions } : null;
}

/** Without the alignment of what comes next, and labels that only mark the end. */
function bodyLength(chunk: Chunk): number {
  let length = chunk.lines.length;
  while (length > 0) {
    const line = chunk.lines[length - 1]!;
    if ('text' in line ? !ALIGNMENT.test(line.text) : !/^\.L[A-Z]/.test(line.label)) break;
    length--;
  }
  return length;
}

/** Compilers make one function of two equal ones; the other is a jump to it, which is not worth a difference. */
function target(chunk: Chunk, unit: Unit): Chunk {
  let found = chunk;
  for (let steps = 0; steps < 4; steps++) {
    const body = found.code ? found.lines.slice(0, bodyLength(found)).filter((line) => 'text' in line || unit.mentioned.has(line.label)) : [];
    const only = body.length === 1 ? body[0] : undefined;
    const name = only !== undefined && 'text' in only ? /^(?:jmp|b) ([A-Za-z_][\w.]*)$/.exec(only.text)?.[1] : undefined;
    const place = unit.places.get(unit.aliases.get(name ?? '') ?? name ?? '');
    if (place === undefined || !place.start || !place.chunk.code) break;
    found = place.chunk;
  }
  return found;
}
