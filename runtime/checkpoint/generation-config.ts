import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { z } from 'zod';

import { parseFields } from './config.js';
import { readJsonObject } from './json.js';

/** Sampling defaults that a model's authors recommend. Absent fields were not given. */
export interface GenerationConfig {
  readonly bosTokenId?: number;
  readonly eosTokenIds?: readonly number[];
  readonly doSample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly maxNewTokens?: number;
}

const tokenId = z.number().int().min(0).max(2 ** 31 - 1);

const schema = z.object({
  bos_token_id: tokenId.nullish(),
  eos_token_id: z.union([tokenId, z.array(tokenId).max(1024)]).nullish(),
  do_sample: z.boolean().nullish(),
  temperature: z.number().min(0).nullish(),
  top_k: z.number().int().min(0).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().positive().nullish(),
  max_new_tokens: z.number().int().min(0).nullish(),
});

/** Reads `generation_config.json` of a checkpoint directory; an empty result where there is none. Throws CheckpointError naming a wrong field. */
export function readGenerationConfig(dir: string): GenerationConfig {
  const path = join(dir, 'generation_config.json');
  if (!existsSync(path)) return {};
  return parseGenerationConfig(readJsonObject(path), path);
}

/** Normalises the contents of a `generation_config.json`; `where` names the source in errors. */
export function parseGenerationConfig(raw: Record<string, unknown>, where: string): GenerationConfig {
  const fields = parseFields(schema, raw, where);
  const eos = fields.eos_token_id;
  const all = {
    bosTokenId: fields.bos_token_id,
    eosTokenIds: eos === undefined || eos === null ? null : [eos].flat(),
    doSample: fields.do_sample,
    temperature: fields.temperature,
    topK: fields.top_k,
    topP: fields.top_p,
    minP: fields.min_p,
    repetitionPenalty: fields.repetition_penalty,
    maxNewTokens: fields.max_new_tokens,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined)) as GenerationConfig;
}
