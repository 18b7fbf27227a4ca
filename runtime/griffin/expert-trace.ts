/**
 * Expert traces: which neurons real generations kept, one JSON line per generation, so that the tuner can time kernels on lists as they
 * occur. The first line says of which shape of model they are:
 *
 *     {"schema":1,"kind":"expert-trace","model":"models/llama","layers":32,"intermediate":11008}
 *     {"k":5504,"layers":[[0,3,4,…],…]}
 *
 * Every list is ascending without duplicates and has k numbers below `intermediate`. Traces of one shape can be joined (`cat a b > c`).
 */
import { createHash } from 'node:crypto';
import { appendFileSync, closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { FileError, UsageError } from '../errors.js';

export const EXPERT_TRACE_SCHEMA = 1;

export interface ExpertTraceShape {
  /** Name of the model that the trace was started with. */
  readonly model: string;
  readonly layers: number;
  /** Neurons per layer. */
  readonly intermediate: number;
}

/** What one generation kept. */
export interface ExpertGeneration {
  readonly k: number;
  /** One list per layer. */
  readonly layers: readonly (readonly number[])[];
}

export interface ExpertTrace extends ExpertTraceShape {
  readonly path: string;
  readonly generations: readonly ExpertGeneration[];
}

const REMEDY = 'griffin generate --model DIR --prompt TEXT --record-experts FILE';

/** Reads a whole trace. Throws FileError: not there, not a trace, of another schema, a bad line (with its number), or no generations. */
export function readExpertTrace(path: string): ExpertTrace {
  const lines = readText(path).split('\n');
  const shape = parseHeader(lines[0] ?? '', `${path}, line 1`);
  const generations: ExpertGeneration[] = [];
  lines.forEach((line, i) => {
    if (i === 0 || line.trim() === '') return;
    const where = `${path}, line ${i + 1}`;
    if (line.includes('"expert-trace"')) requireEqualShapes(shape, parseHeader(line, where), where);
    else generations.push(parseGeneration(line, shape, where));
  });
  if (generations.length === 0) throw new FileError(`${path} holds no generations, only the first line of an expert trace`, { remedy: REMEDY });
  return { ...shape, path, generations };
}

/** The first line of a trace that is there already, or null where there is no file (or an empty one). Throws FileError for anything else. */
export function readExpertTraceShape(path: string): ExpertTraceShape | null {
  let text: string;
  try {
    text = readText(path);
  } catch (error) {
    if (error instanceof FileError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT') return null;
    throw error;
  }
  return text === '' ? null : parseHeader(text.split('\n', 1)[0] ?? '', `${path}, line 1`);
}

/**
 * Whether a generation of this shape can be added: throws UsageError when the file holds the trace of another shape of model, FileError
 * when it is something else.
 */
export function requireSameShape(path: string, shape: ExpertTraceShape): void {
  const there = readExpertTraceShape(path);
  if (there === null || (there.layers === shape.layers && there.intermediate === shape.intermediate)) return;
  throw new UsageError(
    `${path} is the expert trace of another shape of model: it has ${there.layers} layers of ${there.intermediate} neurons (${there.model}), ` +
      `${shape.model} has ${shape.layers} layers of ${shape.intermediate}; give another file`,
  );
}

/** Adds a generation, in one write; creates the file with its first line. Throws as `requireSameShape`, and FileError when it cannot be written. */
export function appendExpertTrace(path: string, shape: ExpertTraceShape, generation: ExpertGeneration): void {
  requireSameShape(path, shape);
  const fresh = readExpertTraceShape(path) === null;
  const { model, layers, intermediate } = shape;
  const header = fresh ? `${JSON.stringify({ schema: EXPERT_TRACE_SCHEMA, kind: 'expert-trace', model, layers, intermediate })}\n` : '';
  const line = JSON.stringify({ k: generation.k, layers: generation.layers });
  parseGeneration(line, shape, `the generation to be written to ${path}`);
  try {
    appendFileSync(path, `${header}${fresh || endsWithNewline(path) ? '' : '\n'}${line}\n`);
  } catch (error) {
    throw new FileError(`cannot write the expert trace ${path}: ${reason(error)}`, { cause: error });
  }
}

/** A short hash of the trace's contents: measurements on other lists are other measurements. Throws FileError. */
export function expertTraceKey(path: string): string {
  return createHash('sha256').update(readText(path)).digest('hex').slice(0, 12);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new FileError(`cannot read the expert trace ${path}: ${reason(error)}`, { remedy: REMEDY, cause: error });
  }
}

/** A writer that was killed leaves a line without an end; it must cost that line, not the next one. */
function endsWithNewline(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const last = Buffer.alloc(1);
    readSync(file, last, 0, 1, fstatSync(file).size - 1);
    return last[0] === 0x0a;
  } finally {
    closeSync(file);
  }
}

function parseHeader(line: string, where: string): ExpertTraceShape {
  const header = parseObject(line, where);
  if (header['kind'] !== 'expert-trace') throw new FileError(`${where}: expected the first line of an expert trace ("kind":"expert-trace"), found ${excerpt(line)}`, { remedy: REMEDY });
  if (header['schema'] !== EXPERT_TRACE_SCHEMA) {
    throw new FileError(`${where}: expert traces of schema ${EXPERT_TRACE_SCHEMA} are read, found ${JSON.stringify(header['schema'])}`, { remedy: REMEDY });
  }
  const { model, layers, intermediate } = header;
  if (typeof model !== 'string' || !isCount(layers) || !isCount(intermediate)) {
    throw new FileError(`${where}: expected a model name and positive whole numbers of layers and intermediate, found ${excerpt(line)}`);
  }
  return { model, layers, intermediate };
}

/** Traces may be joined: then first lines stand between generations. */
function requireEqualShapes(a: ExpertTraceShape, b: ExpertTraceShape, where: string): void {
  if (a.layers === b.layers && a.intermediate === b.intermediate) return;
  throw new FileError(`${where}: another trace of ${b.layers} layers of ${b.intermediate} neurons was joined to one of ${a.layers} layers of ${a.intermediate}`);
}

function parseGeneration(line: string, { layers, intermediate }: ExpertTraceShape, where: string): ExpertGeneration {
  const { k, layers: lists } = parseObject(line, where);
  if (!isCount(k) || k > intermediate) throw new FileError(`${where}: k is ${JSON.stringify(k)}, expected a whole number from 1 to ${intermediate}`);
  if (!Array.isArray(lists) || lists.length !== layers) {
    throw new FileError(`${where}: expected the lists of ${layers} layers, found ${Array.isArray(lists) ? String(lists.length) : JSON.stringify(lists)}`);
  }
  lists.forEach((list: unknown, layer) => {
    if (!Array.isArray(list) || list.length !== k) {
      throw new FileError(`${where}: layer ${layer} has ${Array.isArray(list) ? `${list.length} numbers` : 'no list'}, expected ${k}`);
    }
    let last = -1;
    for (const index of list as readonly unknown[]) {
      if (!Number.isInteger(index) || (index as number) <= last || (index as number) >= intermediate) {
        throw new FileError(`${where}: layer ${layer} has ${JSON.stringify(index)} after ${last}, expected ascending whole numbers from 0 to ${intermediate - 1}`);
      }
      last = index as number;
    }
  });
  return { k, layers: lists as number[][] };
}

function parseObject(line: string, where: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new FileError(`${where}: not JSON (${excerpt(line)}); a line that was cut off can be deleted`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new FileError(`${where}: expected a JSON object, found ${excerpt(line)}`);
  return value as Record<string, unknown>;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function excerpt(line: string): string {
  return line === '' ? 'nothing' : JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line);
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
