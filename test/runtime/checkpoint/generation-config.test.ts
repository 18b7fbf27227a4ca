import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { parseGenerationConfig, readGenerationConfig } from '../../../runtime/checkpoint/generation-config.js';
import { CheckpointError } from '../../../runtime/errors.js';
import { packageRoot } from '../../../runtime/paths.js';
import { temporaryDirectories } from '../../support/temp-dir.js';

const freshDir = temporaryDirectories('generation-config');

describe('readGenerationConfig', () => {
  it('reads the demo model, and nothing where there is no file', () => {
    expect(readGenerationConfig(join(packageRoot(), 'models/demo-llama-7m'))).toEqual({
      bosTokenId: 0, eosTokenIds: [1], doSample: true, temperature: 0.7, topP: 0.95,
    });
    expect(readGenerationConfig(freshDir())).toEqual({});
  });

  it('names the file that is malformed', () => {
    const dir = freshDir();
    writeFileSync(join(dir, 'generation_config.json'), '[]');
    expect(() => readGenerationConfig(dir)).toThrow(/generation_config.json: \[\] at the top level/);
  });
});

describe('parseGenerationConfig', () => {
  it('reads every field, lists and nulls', () => {
    const all = {
      bos_token_id: 1, eos_token_id: [2, 3], do_sample: false, temperature: 0, top_k: 40, top_p: 1, min_p: 0.05, repetition_penalty: 1.1,
      max_new_tokens: 9, transformers_version: '4.50.0', pad_token_id: null,
    };
    expect(parseGenerationConfig(all, 'x')).toEqual({
      bosTokenId: 1, eosTokenIds: [2, 3], doSample: false, temperature: 0, topK: 40, topP: 1, minP: 0.05, repetitionPenalty: 1.1, maxNewTokens: 9,
    });
    expect(parseGenerationConfig({ temperature: null, eos_token_id: null }, 'x')).toEqual({});
  });

  it.each([
    [{ temperature: -1 }, /temperature is -1/],
    [{ temperature: 'hot' }, /temperature is "hot"/],
    [{ top_p: 1.5 }, /top_p is 1.5/],
    [{ top_k: 2.5 }, /top_k is 2.5/],
    [{ repetition_penalty: 0 }, /repetition_penalty is 0/],
    [{ eos_token_id: [1, 'x'] }, /eos_token_id/],
  ])('refuses %j', (raw, message) => {
    expect(() => parseGenerationConfig(raw, 'x')).toThrow(message);
    expect(() => parseGenerationConfig(raw, 'x')).toThrow(CheckpointError);
  });
});
