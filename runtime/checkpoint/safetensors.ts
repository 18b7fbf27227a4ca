/**
 * The safetensors container: an 8-byte little-endian header length, a JSON header, then the tensors' bytes. Nothing in the header is
 * believed: every offset, shape and type is checked against the others and against the file's size before it is used. The format is
 * described in the documentation of huggingface/safetensors.
 */
import { CheckpointError } from '../errors.js';
import { decodeUtf8, describe, isObject, openRegularFile, parseJsonObject, shorten } from './json.js';
import type { WeightDtype } from './types.js';

/**
 * Longest header accepted, in bytes: enough for 200,000 tensors. The format allows 100 MB, but a hostile header of that size (millions of
 * empty objects) parses into gigabytes of heap, which would end the process instead of raising an error.
 */
export const MAX_HEADER_BYTES = 25 * 2 ** 20;

/** Most dimensions of a tensor. Real checkpoints stay below 5. */
const MAX_DIMENSIONS = 8;

/**
 * Bytes per element of the container's types. Only F32, F16 and BF16 can be weights here; the others may be in a file (buffers such as
 * index tables), so their sizes are checked too.
 */
const ELEMENT_BYTES: ReadonlyMap<string, number> = new Map([
  ['F64', 8], ['F32', 4], ['F16', 2], ['BF16', 2], ['F8_E4M3', 1], ['F8_E5M2', 1],
  ['I64', 8], ['I32', 4], ['I16', 2], ['I8', 1], ['U64', 8], ['U32', 4], ['U16', 2], ['U8', 1], ['BOOL', 1],
]);

const WEIGHT_DTYPES: ReadonlyMap<string, WeightDtype> = new Map([['F32', 'f32'], ['F16', 'f16'], ['BF16', 'bf16']]);

export const SUPPORTED_DTYPES = 'F32, F16, BF16';

export interface SafetensorsEntry {
  readonly name: string;
  /** The container's type name, e.g. `BF16`. */
  readonly dtype: string;
  /** What the type is as a weight; null when it cannot be one (integers, F64, F8). */
  readonly weightDtype: WeightDtype | null;
  readonly shape: readonly number[];
  /** First byte, from the start of the file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

export interface SafetensorsFile {
  readonly path: string;
  /** Size of the whole file when it was read: a later reader compares it to notice a file that changed. */
  readonly byteLength: number;
  readonly entries: ReadonlyMap<string, SafetensorsEntry>;
}

/** Reads and checks the header of a file. Throws FileError (missing, unreadable) or CheckpointError (lying header). */
export function readSafetensors(path: string): SafetensorsFile {
  const file = openRegularFile(path);
  try {
    if (file.byteLength < 8) throw new CheckpointError(`${path}: ${file.byteLength} bytes; expected at least the 8 bytes of a safetensors header length`);
    const length = new DataView(file.read(0, 8).buffer).getBigUint64(0, true);
    if (length > BigInt(MAX_HEADER_BYTES)) {
      throw new CheckpointError(`${path}: the header claims ${length} bytes; expected at most ${MAX_HEADER_BYTES}. Is this a safetensors file?`);
    }
    if (length > BigInt(file.byteLength - 8)) {
      throw new CheckpointError(`${path}: the header claims ${length} bytes, the file has ${file.byteLength - 8} after the length; it is truncated or not a safetensors file`);
    }
    const headerBytes = Number(length);
    const entries = parseSafetensorsHeader(file.read(8, headerBytes), 8 + headerBytes, file.byteLength, path);
    return { path, byteLength: file.byteLength, entries };
  } finally {
    file[Symbol.dispose]();
  }
}

/** Checks the header of a file of `fileBytes` bytes whose tensor data begins at `dataStart`. `path` names the file in errors. */
export function parseSafetensorsHeader(header: Uint8Array, dataStart: number, fileBytes: number, path: string): Map<string, SafetensorsEntry> {
  const where = `${path}: header`;
  const parsed = parseJsonObject(decodeUtf8(header, where), where);
  const entries = new Map<string, SafetensorsEntry>();
  for (const [name, value] of Object.entries(parsed)) {
    if (name === '__metadata__') checkMetadata(value, path);
    else entries.set(name, parseEntry(name, value, dataStart, fileBytes, path));
  }
  checkCoverage([...entries.values()], dataStart, fileBytes, path);
  return entries;
}

function checkMetadata(value: unknown, path: string): void {
  if (!isObject(value)) throw new CheckpointError(`${path}: __metadata__ is ${describe(value)}; expected an object of strings`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw new CheckpointError(`${path}: __metadata__ entry ${JSON.stringify(shorten(key))} is ${describe(text)}; expected a string`);
  }
}

function parseEntry(name: string, value: unknown, dataStart: number, fileBytes: number, path: string): SafetensorsEntry {
  const fail = (problem: string): never => {
    throw new CheckpointError(`${path}: tensor ${JSON.stringify(shorten(name))}: ${problem}`);
  };
  if (!isObject(value)) return fail(`${describe(value)}; expected an object with dtype, shape and data_offsets`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') return fail(`dtype is ${describe(dtype)}; expected one of ${SUPPORTED_DTYPES}`);
  const elementBytes = ELEMENT_BYTES.get(dtype);
  if (elementBytes === undefined) return fail(`unknown dtype ${describe(dtype)}; supported: ${SUPPORTED_DTYPES}`);
  if (!isCountList(shape) || shape.length > MAX_DIMENSIONS) {
    return fail(`shape is ${describe(shape)}; expected up to ${MAX_DIMENSIONS} integers from 0 to 2^53 − 1`);
  }
  if (!isCountList(offsets) || offsets.length !== 2) return fail(`data_offsets is ${describe(offsets)}; expected two integers from 0 to 2^53 − 1`);
  const [begin, end] = offsets as [number, number];
  const dataBytes = fileBytes - dataStart;
  if (begin > end) return fail(`data_offsets [${begin}, ${end}] run backwards`);
  if (end > dataBytes) return fail(`data_offsets [${begin}, ${end}] end past the ${dataBytes} data bytes of the file; it is truncated or the header is wrong`);
  const expected = byteLengthOf(shape, elementBytes);
  if (expected !== BigInt(end - begin)) {
    return fail(`data_offsets hold ${end - begin} bytes, shape [${shape.join(', ')}] of ${dtype} needs ${expected}`);
  }
  return { name, dtype, weightDtype: WEIGHT_DTYPES.get(dtype) ?? null, shape, byteOffset: dataStart + begin, byteLength: end - begin };
}

function isCountList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0 && !Object.is(item, -0));
}

/** In integers of any size: eight sizes of 2^53 overflow a double, and a double that rounds could happen to match. */
function byteLengthOf(shape: readonly number[], elementBytes: number): bigint {
  return shape.reduce((product, size) => product * BigInt(size), BigInt(elementBytes));
}

/** The tensors must tile the data exactly: an overlap or a hole means that some offset is wrong. */
function checkCoverage(entries: SafetensorsEntry[], dataStart: number, fileBytes: number, path: string): void {
  entries.sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let end = dataStart;
  let previous = 'the header';
  for (const entry of entries) {
    const name = JSON.stringify(shorten(entry.name));
    if (entry.byteOffset < end) {
      throw new CheckpointError(`${path}: tensor ${name} begins at data byte ${entry.byteOffset - dataStart}, inside ${previous}, which ends at ${end - dataStart}; expected no overlap`);
    }
    if (entry.byteOffset > end) {
      throw new CheckpointError(`${path}: ${entry.byteOffset - end} bytes between ${previous} and tensor ${name} belong to no tensor; expected no holes`);
    }
    end = entry.byteOffset + entry.byteLength;
    previous = `tensor ${name}`;
  }
  if (end !== fileBytes) throw new CheckpointError(`${path}: ${fileBytes - end} bytes after ${previous} belong to no tensor; expected none`);
}
