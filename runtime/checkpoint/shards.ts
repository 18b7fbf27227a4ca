/**
 * The tensors of a checkpoint directory, in one `model.safetensors` or in shards listed by `model.safetensors.index.json`.
 *
 * Shard names are plain file names: a name with a path separator, `..` or a leading slash is refused, so an index cannot point outside
 * its directory. The files themselves may be symbolic links, because Hugging Face's download cache is made of them.
 */
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { CheckpointError, FileError } from '../errors.js';
import { describe, isObject, readJsonObject, shorten } from './json.js';
import { type SafetensorsEntry, type SafetensorsFile, readSafetensors } from './safetensors.js';

export const WEIGHTS_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';

export interface CheckpointTensor extends SafetensorsEntry {
  readonly file: SafetensorsFile;
}

export interface TensorSet {
  readonly files: readonly SafetensorsFile[];
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
}

/** Reads all headers of a directory. The single file wins where both exist, as in Hugging Face's loader. */
export function openTensorSet(dir: string): TensorSet {
  requireDirectory(dir);
  if (existsSync(join(dir, WEIGHTS_FILE))) {
    const file = readSafetensors(join(dir, WEIGHTS_FILE));
    return { files: [file], tensors: new Map([...file.entries].map(([name, entry]) => [name, { ...entry, file }])) };
  }
  if (existsSync(join(dir, INDEX_FILE))) return openShards(dir);
  const torch = ['pytorch_model.bin', 'pytorch_model.bin.index.json', 'consolidated.00.pth'].find((name) => existsSync(join(dir, name)));
  throw new FileError(`${dir}: neither ${WEIGHTS_FILE} nor ${INDEX_FILE}${torch === undefined ? '' : `, but ${torch}, a format that can run code when it is read`}`, {
    remedy: torch === undefined
      ? 'pass the directory of a downloaded checkpoint, e.g. one that `huggingface-cli download` printed'
      : 'download the safetensors files of this model, or convert it with transformers: model.save_pretrained(dir, safe_serialization=True)',
  });
}

export function requireDirectory(dir: string): void {
  let isDirectory: boolean;
  try {
    isDirectory = statSync(dir).isDirectory();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new FileError(`${dir}: ${code === 'ENOENT' ? 'does not exist' : `cannot be opened (${code ?? String(cause)})`}; expected a checkpoint directory`, { cause });
  }
  if (!isDirectory) throw new FileError(`${dir}: is a file; expected a checkpoint directory`, { remedy: 'pass the directory that holds config.json' });
}

function openShards(dir: string): TensorSet {
  const path = join(dir, INDEX_FILE);
  const weightMap = readJsonObject(path)['weight_map'];
  if (!isObject(weightMap)) throw new CheckpointError(`${path}: weight_map is ${describe(weightMap)}; expected an object of tensor name → shard file`);
  const files = new Map<string, SafetensorsFile>();
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, shard] of Object.entries(weightMap)) {
    checkShardName(shard, name, path);
    const file = files.get(shard) ?? readSafetensors(join(dir, shard));
    files.set(shard, file);
    const entry = file.entries.get(name);
    if (entry === undefined) throw new CheckpointError(`${path}: tensor ${quote(name)} should be in ${shard}, which does not contain it`);
    tensors.set(name, { ...entry, file });
  }
  for (const [shard, file] of files) {
    for (const name of file.entries.keys()) {
      const listed = Object.hasOwn(weightMap, name) ? weightMap[name] : undefined;
      if (listed === shard) continue;
      throw new CheckpointError(`${file.path}: contains tensor ${quote(name)}, which ${INDEX_FILE} ${listed === undefined ? 'does not list' : `places in ${describe(listed)}`}`);
    }
  }
  return { files: [...files.values()], tensors };
}

function checkShardName(shard: unknown, tensor: string, path: string): asserts shard is string {
  const problem =
    typeof shard !== 'string' ? 'is not a string'
    : !shard.endsWith('.safetensors') ? 'does not end in .safetensors'
    : /[/\\\0]/.test(shard) ? 'contains a path separator and could leave the directory'
    : shard.length > 255 ? 'is longer than a file name can be'
    : null;
  if (problem !== null) {
    throw new CheckpointError(`${path}: the shard of tensor ${quote(tensor)}, ${describe(shard)}, ${problem}; expected a plain file name such as model-00001-of-00002.safetensors`);
  }
}

function quote(name: string): string {
  return JSON.stringify(shorten(name));
}
