/** What `-Xptxas -v` says about each kernel entry, as data. */

/** What one entry needs of the device it was compiled for. */
export interface EntryStatistics {
  /** 32-bit registers of a thread. */
  readonly registers: number;
  /** Static shared memory of a block, bytes. */
  readonly shared: number;
  /** Bytes of a thread's stack in local memory, spills included. */
  readonly stack: number;
  /** Bytes that a thread writes to and reads from local memory because registers ran out. */
  readonly spillStores: number;
  readonly spillLoads: number;
  readonly barriers: number;
}

export interface EntryReport extends EntryStatistics {
  /** Name of the entry point. */
  readonly entry: string;
  /** 10 × major + minor. */
  readonly capability: number;
}

/**
 * Every entry of every capability in ptxas's verbose output, in its order. Text of other programs in between is skipped; functions that
 * were not inlined are no entries (their stack counts in their callers').
 */
export function parsePtxas(text: string): readonly EntryReport[] {
  const reports: EntryReport[] = [];
  let current: Mutable<EntryReport> | null = null;
  let properties = ''; // the function whose frame the next line tells
  for (const line of text.split('\n')) {
    const start = /Compiling entry function '([^']+)' for 'sm_(\d+)[a-z]*'/.exec(line);
    if (start !== null) {
      current = { entry: start[1]!, capability: Number(start[2]), registers: 0, shared: 0, stack: 0, spillStores: 0, spillLoads: 0, barriers: 0 };
      reports.push(current);
      continue;
    }
    const named = /Function properties for (\S+)/.exec(line);
    if (named !== null) {
      properties = named[1]!;
      continue;
    }
    if (current === null) continue;
    const frame = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (frame !== null) {
      // A function that was not inlined spills on behalf of the entry before it.
      if (properties === current.entry) current.stack = Number(frame[1]);
      current.spillStores += Number(frame[2]);
      current.spillLoads += Number(frame[3]);
      continue;
    }
    const used = /Used (\d+) registers/.exec(line);
    if (used !== null) {
      current.registers = Number(used[1]);
      current.barriers = numberIn(line, /used (\d+) barriers/);
      current.shared = numberIn(line, /(\d+) bytes smem/);
      current.stack = Math.max(current.stack, numberIn(line, /(\d+) bytes cumulative stack size/));
    }
  }
  return reports;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function numberIn(line: string, pattern: RegExp): number {
  return Number(pattern.exec(line)?.[1] ?? 0);
}

/** Warnings of the front end and of ptxas about the kernels; those of the nvcc driver about itself (deprecated targets) are no fault of a kernel. */
export function warningsIn(text: string): readonly string[] {
  const lines = text.split('\n').filter((line) => /\bwarning\b/i.test(line) && !/^nvcc warning\b/.test(line) && !/^Remark: /.test(line));
  return [...new Set(lines.map((line) => line.trim()))];
}

/** Which spill, in words for a message, e.g. `main: 24 bytes stored, 32 loaded (255 registers)`; null where nothing does. */
export function spillsIn(entries: Readonly<Record<string, EntryStatistics>>): string | null {
  const lines = Object.entries(entries)
    .filter(([, entry]) => entry.spillStores > 0 || entry.spillLoads > 0)
    .map(([name, entry]) => `${name}: ${entry.spillStores} bytes stored, ${entry.spillLoads} loaded (${entry.registers} registers)`);
  return lines.length === 0 ? null : lines.join('; ');
}

/**
 * The entries of one kernel by phase: an entry is the kernel's symbol, `__` and the phase.
 *
 * @param symbol of the kernel, `gk_` + its id
 */
export function entriesOf(symbol: string, capability: number, reports: readonly EntryReport[]): Readonly<Record<string, EntryStatistics>> {
  const own = reports.filter((report) => report.capability === capability && report.entry.replace(/__[a-z][a-z0-9]*$/, '') === symbol);
  return Object.fromEntries(
    own.map(({ entry, registers, shared, stack, spillStores, spillLoads, barriers }) => [
      entry.slice(symbol.length + 2),
      { registers, shared, stack, spillStores, spillLoads, barriers },
    ]),
  );
}
