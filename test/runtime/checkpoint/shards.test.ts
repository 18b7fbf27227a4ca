import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { INDEX_FILE, WEIGHTS_FILE, openTensorSet } from '../../../runtime/checkpoint/shards.js';
import { CheckpointError, FileError } from '../../../runtime/errors.js';
import { temporaryDirectories } from '../../support/temp-dir.js';
import { writeCheckpoint } from '../../support/write-checkpoint.js';

const freshDir = temporaryDirectories('shards');

function sharded(shards = 3): { dir: string; names: string[]; rewrite: (edit: (map: Record<string, unknown>) => unknown) => void } {
  const dir = freshDir();
  const { tensors } = writeCheckpoint(dir, { shards });
  const names = [...tensors.keys()];
  const perShard = Math.ceil(names.length / shards);
  const file = (i: number): string => `model-0000${Math.floor(i / perShard) + 1}-of-0000${shards}.safetensors`;
  return {
    dir,
    names,
    rewrite(edit) {
      const map: Record<string, unknown> = Object.fromEntries(names.map((name, i) => [name, file(i)]));
      writeFileSync(join(dir, INDEX_FILE), JSON.stringify({ metadata: {}, weight_map: edit(map) ?? map }));
    },
  };
}

describe('openTensorSet', () => {
  it('reads one file or several, with the same tensors', () => {
    const single = freshDir();
    const { tensors } = writeCheckpoint(single, {});
    const { dir } = sharded();
    expect(openTensorSet(dir).files).toHaveLength(3);
    for (const set of [openTensorSet(single), openTensorSet(dir)]) {
      expect([...set.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
      for (const [name, tensor] of tensors) expect(set.tensors.get(name)?.shape).toEqual(tensor.shape);
    }
  });

  it('follows symbolic links, of which download caches are made', () => {
    const { dir } = sharded(2);
    const blobs = freshDir();
    const shard = 'model-00001-of-00002.safetensors';
    renameSync(join(dir, shard), join(blobs, 'blob'));
    symlinkSync(join(blobs, 'blob'), join(dir, shard));
    expect(openTensorSet(dir).files).toHaveLength(2);
  });

  it.each([
    ['../model-00001-of-00003.safetensors', /contains a path separator/],
    ['/etc/model.safetensors', /contains a path separator/],
    ['sub/model.safetensors', /contains a path separator/],
    ['..\\model.safetensors', /contains a path separator/],
    ['..', /does not end in .safetensors/],
    ['model\0.safetensors', /contains a path separator/],
    ['x'.repeat(300) + '.safetensors', /longer than a file name/],
    ['config.json', /does not end in .safetensors/],
    [3, /is not a string/],
    [null, /is not a string/],
  ])('refuses the shard name %j', (shard, message) => {
    const { dir, names, rewrite } = sharded();
    rewrite((map) => void (map[names[0] as string] = shard));
    expect(() => openTensorSet(dir)).toThrow(message);
    expect(() => openTensorSet(dir)).toThrow(CheckpointError);
  });

  it('refuses an index and shards that disagree', () => {
    const { dir, names, rewrite } = sharded();
    rewrite((map) => void (map['model.ghost.weight'] = 'model-00001-of-00003.safetensors'));
    expect(() => openTensorSet(dir)).toThrow(/"model.ghost.weight" should be in model-00001-of-00003.safetensors, which does not contain it/);
    rewrite((map) => void delete map[names[1] as string]);
    expect(() => openTensorSet(dir)).toThrow(new RegExp(`contains tensor "${names[1]}", which ${INDEX_FILE} does not list`));
    rewrite((map) => void (map[names[0] as string] = 'model-00003-of-00003.safetensors'));
    expect(() => openTensorSet(dir)).toThrow(/should be in model-00003-of-00003.safetensors/);
    rewrite(() => [1, 2]);
    expect(() => openTensorSet(dir)).toThrow(/weight_map is \[1,2\]; expected an object/);
  });

  it('refuses the same tensor in two shards', () => {
    const { dir, rewrite } = sharded(2);
    rewrite((map) => void (map['lm_head.weight'] = 'model-00002-of-00002.safetensors'));
    const other = freshDir();
    writeCheckpoint(other, { shards: 2, edit: (tensors) => { // a first shard that repeats a tensor of the second
      const entries = [...tensors];
      tensors.clear();
      for (const [name, tensor] of [entries.at(-1) as (typeof entries)[0], ...entries.slice(0, -1)]) tensors.set(name, tensor);
    } });
    rmSync(join(dir, 'model-00001-of-00002.safetensors'));
    renameSync(join(other, 'model-00001-of-00002.safetensors'), join(dir, 'model-00001-of-00002.safetensors'));
    expect(() => openTensorSet(dir)).toThrow(CheckpointError);
  });

  it('says which file is missing', () => {
    const { dir } = sharded();
    rmSync(join(dir, 'model-00002-of-00003.safetensors'));
    expect(() => openTensorSet(dir)).toThrow(/model-00002-of-00003.safetensors: does not exist/);
    expect(() => openTensorSet(dir)).toThrow(FileError);
  });

  it('says what is wrong with a directory without safetensors', () => {
    const dir = freshDir();
    expect(() => openTensorSet(dir)).toThrow(/neither model.safetensors nor model.safetensors.index.json/);
    writeFileSync(join(dir, 'pytorch_model.bin'), '');
    expect(() => openTensorSet(dir)).toThrow(/but pytorch_model.bin/);
    expect(() => openTensorSet(join(dir, 'nowhere'))).toThrow(/does not exist; expected a checkpoint directory/);
    expect(() => openTensorSet(join(dir, 'pytorch_model.bin'))).toThrow(/is a file; expected a checkpoint directory/);
    mkdirSync(join(dir, WEIGHTS_FILE));
    expect(() => openTensorSet(dir)).toThrow(/is a directory; expected a regular file/);
  });
});
