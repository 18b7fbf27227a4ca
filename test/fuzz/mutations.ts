/**
 * Mutations of checkpoint files, as data: a recipe is a base and a list of mutations, can be written as JSON and always gives the same
 * files. File and position are numbers taken modulo what is there, so that any recipe applies to any base.
 */
import { safetensorsFile } from '../support/write-checkpoint.js';
import { type Files, baseFiles } from './base-files.js';

export type Mutation =
  | { readonly op: 'flip'; readonly file: number; readonly at: number; readonly bit: number }
  | { readonly op: 'write'; readonly file: number; readonly at: number; readonly bytes: readonly number[] }
  | { readonly op: 'truncate'; readonly file: number; readonly at: number }
  | { readonly op: 'append'; readonly file: number; readonly bytes: readonly number[] }
  | { readonly op: 'remove'; readonly file: number }
  | { readonly op: 'copy'; readonly file: number; readonly over: number }
  /** Sets the length field of a safetensors file. */
  | { readonly op: 'length'; readonly file: number; readonly value: string }
  /** Inserts text into JSON. */
  | { readonly op: 'insert'; readonly file: number; readonly at: number; readonly text: string }
  /** Replaces, removes, repeats or renames one value of a JSON document; `raw` is JSON text, `at` picks among all values. */
  | { readonly op: 'set'; readonly file: number; readonly at: number; readonly raw: string }
  | { readonly op: 'scale'; readonly file: number; readonly at: number; readonly times: number; readonly plus: number }
  | { readonly op: 'drop'; readonly file: number; readonly at: number }
  | { readonly op: 'repeat'; readonly file: number; readonly at: number; readonly raw: string }
  | { readonly op: 'rename'; readonly file: number; readonly at: number; readonly name: string }
  /** Exchanges two values of a JSON document. */
  | { readonly op: 'exchange'; readonly file: number; readonly at: number; readonly with: number };

export interface Recipe {
  readonly base: number;
  readonly mutations: readonly Mutation[];
}

/** The files of a recipe. */
export function cook(recipe: Recipe): Files {
  const files = baseFiles(recipe.base);
  for (const mutation of recipe.mutations) {
    if (files.size > 0) apply(files, mutation);
  }
  return files;
}

function apply(files: Files, mutation: Mutation): void {
  const names = [...files.keys()];
  const name = names[mutation.file % names.length] as string;
  const content = files.get(name) as Uint8Array;
  const changed = Uint8Array.from(content);
  switch (mutation.op) {
    case 'flip':
      if (changed.length > 0) (changed[mutation.at % changed.length] as number) ^= 1 << (mutation.bit % 8);
      break;
    case 'write':
      for (const [i, byte] of mutation.bytes.entries()) if (changed.length > 0) changed[(mutation.at + i) % changed.length] = byte;
      break;
    case 'truncate':
      return void files.set(name, changed.subarray(0, mutation.at % (changed.length + 1)));
    case 'append':
      return void files.set(name, Uint8Array.from([...changed, ...mutation.bytes]));
    case 'remove':
      return void files.delete(name);
    case 'copy':
      return void files.set(names[mutation.over % names.length] as string, content);
    case 'length':
      if (changed.length >= 8) new DataView(changed.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(mutation.value)), true);
      break;
    default:
      return void files.set(name, withJson(name, content, (text) => editText(text, mutation)));
  }
  files.set(name, changed);
}

/** Edits the JSON of a file: all of it, or the header of a safetensors file, whose length is then made right again. */
function withJson(name: string, content: Uint8Array, edit: (text: string) => string): Uint8Array {
  const decoder = new TextDecoder();
  if (!name.endsWith('.safetensors')) return new TextEncoder().encode(edit(decoder.decode(content)));
  if (content.length < 8) return content;
  const length = Number(new DataView(content.buffer, content.byteOffset).getBigUint64(0, true));
  const end = Math.min(content.length, 8 + length);
  return safetensorsFile(edit(decoder.decode(content.subarray(8, end))), content.subarray(end));
}

type Container = Record<string, unknown> | unknown[];
interface Place {
  readonly container: Container;
  readonly key: string | number;
}

/** Stands for raw JSON text inside a value until it is written out. */
const MARK = '\u0001raw:';

function editText(text: string, mutation: Exclude<Mutation, { op: 'flip' | 'write' | 'truncate' | 'append' | 'remove' | 'copy' | 'length' }>): string {
  if (mutation.op === 'insert') {
    const at = mutation.at % (text.length + 1);
    return text.slice(0, at) + mutation.text + text.slice(at);
  }
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    return text; // an earlier mutation of the recipe broke it
  }
  const places = placesOf(root);
  const place = places[mutation.at % Math.max(1, places.length)];
  if (place === undefined) return text;
  editPlace(place, mutation, places);
  return JSON.stringify(root).replace(/"\\u0001raw:((?:[^"\\]|\\.)*)"/g, (_match, raw: string) => JSON.parse(`"${raw}"`) as string);
}

function editPlace({ container, key }: Place, mutation: Extract<Mutation, { at: number }>, places: readonly Place[]): void {
  const slots = container as Record<string | number, unknown>;
  const value = slots[key];
  switch (mutation.op) {
    case 'set':
      slots[key] = MARK + mutation.raw;
      break;
    case 'scale':
      slots[key] = typeof value === 'number' ? value * mutation.times + mutation.plus : value;
      break;
    case 'drop':
      if (Array.isArray(container)) container.splice(key as number, 1);
      else delete slots[key];
      break;
    case 'repeat':
      // A second entry of the same name, smuggled in as raw text behind the first.
      if (Array.isArray(container)) container.push(value);
      else slots[key] = `${MARK}${JSON.stringify(value)},${JSON.stringify(key)}:${mutation.raw}`;
      break;
    case 'rename':
      if (Array.isArray(container)) break;
      delete slots[key];
      slots[mutation.name] = value;
      break;
    case 'exchange': {
      const other = places[mutation.with % places.length] as Place;
      const otherSlots = other.container as Record<string | number, unknown>;
      const otherValue = otherSlots[other.key];
      // Through text, so that a value cannot come to contain itself.
      otherSlots[other.key] = structuredClone(value);
      slots[key] = structuredClone(otherValue);
      break;
    }
    default:
      break;
  }
}

/** Every value inside a document with the place that holds it. */
function placesOf(root: unknown): Place[] {
  const places: Place[] = [];
  const pending: unknown[] = [root];
  for (let container = pending.pop(); container !== undefined; container = pending.pop()) {
    if (typeof container !== 'object' || container === null) continue;
    const keys = Array.isArray(container) ? container.keys() : Object.keys(container);
    for (const key of keys) {
      places.push({ container: container as Container, key });
      pending.push((container as Record<string | number, unknown>)[key]);
    }
  }
  return places;
}
