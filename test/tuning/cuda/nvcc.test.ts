import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CompilerError } from '../../../runtime/errors.js';
import { CUDA_FLAGS, cubinFormat, findNvcc, runNvcc } from '../../../tuning/cuda/nvcc.js';
import { temporaryDirectories } from '../../support/temp-dir.js';
import { writeFakeNvcc } from './fake-nvcc.js';

const temporary = temporaryDirectories('nvcc');

describe('findNvcc', () => {
  it('prefers $GRIFFIN_NVCC, then $CUDA_HOME, then $CUDA_PATH, then the path', async () => {
    const root = temporary();
    const explicit = writeFakeNvcc(join(root, 'my-nvcc'), '90.0');
    const home = writeFakeNvcc(join(root, 'home', 'bin', 'nvcc'), '91.0');
    const cudaPath = writeFakeNvcc(join(root, 'cuda', 'bin', 'nvcc'), '92.0');
    const path = writeFakeNvcc(join(root, 'bin', 'nvcc'), '93.0');
    const all = { GRIFFIN_NVCC: explicit, CUDA_HOME: join(root, 'home'), CUDA_PATH: join(root, 'cuda'), PATH: join(root, 'bin') };
    expect(await findNvcc(all)).toEqual({ kind: 'nvcc', path: explicit, version: 'Cuda compilation tools, release 90.0, V90.0.0' });
    expect(await findNvcc({ ...all, GRIFFIN_NVCC: '' })).toMatchObject({ path: home });
    expect(await findNvcc({ CUDA_PATH: all.CUDA_PATH, PATH: all.PATH })).toMatchObject({ path: cudaPath });
    expect(await findNvcc({ PATH: all.PATH })).toMatchObject({ path });
  });

  it('passes over what does not answer as nvcc does, but refuses an explicit one with a typed error', async () => {
    const root = temporary();
    mkdirSync(join(root, 'broken', 'bin'), { recursive: true });
    const broken = join(root, 'broken', 'bin', 'nvcc');
    writeFileSync(broken, '#!/bin/sh\nexit 1\n');
    chmodSync(broken, 0o755);
    const good = writeFakeNvcc(join(root, 'bin', 'nvcc'));
    expect(await findNvcc({ CUDA_HOME: join(root, 'broken'), PATH: join(root, 'bin') })).toMatchObject({ path: good });
    await expect(findNvcc({ GRIFFIN_NVCC: broken })).rejects.toBeInstanceOf(CompilerError);
    await expect(findNvcc({ GRIFFIN_NVCC: join(root, 'none') })).rejects.toThrow(/\$GRIFFIN_NVCC is not an executable file: .*none.*\n?.*GRIFFIN_NVCC/s);
  });
});

describe('runNvcc', () => {
  it('asks for the exact capability with the promised flags', () => {
    expect(CUDA_FLAGS).toEqual(['-std=c++17', '-O3', '-fmad=false', '-Xptxas', '-v']);
    expect(cubinFormat(86)).toEqual(['-gencode', 'arch=compute_86,code=sm_86', '-cubin']);
  });

  it('turns an architecture that it does not know into a typed error', async () => {
    const root = temporary();
    const nvcc = { kind: 'nvcc', path: writeFakeNvcc(join(root, 'nvcc')), version: '1' } as const;
    await expect(runNvcc(nvcc, [{ id: 'a', text: '' }], cubinFormat(999), join(root, 'out'), {})).rejects.toThrow(/does not know the architecture compute_999/);
  });
});
