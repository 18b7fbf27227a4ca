import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../runtime/errors.js';
import { GENERATE_DEFAULTS, likelyName, resolveOptions, type GenerateOptions } from '../../../runtime/generate/options.js';

function message(options: unknown): string {
  try {
    resolveOptions(options as GenerateOptions);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  throw new Error(`accepted: ${JSON.stringify(options)}`);
}

describe('resolveOptions', () => {
  it('fills in the documented defaults', () => {
    expect(resolveOptions()).toEqual(GENERATE_DEFAULTS);
    expect(resolveOptions({ density: undefined } as unknown as GenerateOptions).density).toBe(0.5);
    expect(resolveOptions({ density: 0, temperature: 0.7, stop: 'x' })).toMatchObject({ density: 0, temperature: 0.7, stop: ['x'], topP: 1 });
  });

  it.each([
    [{ density: Number.NaN }, 'density is NaN'],
    [{ density: -0.1 }, 'density is -0.1'],
    [{ density: 1.5 }, 'density is 1.5'],
    [{ density: '0.5' }, 'density is "0.5"'],
    [{ maxNewTokens: 0 }, 'maxNewTokens is 0'],
    [{ maxNewTokens: 1.5 }, 'maxNewTokens is 1.5'],
    [{ temperature: -1 }, 'temperature is -1'],
    [{ temperature: Number.POSITIVE_INFINITY }, 'temperature is Infinity'],
    [{ topK: 2.5 }, 'topK is 2.5'],
    [{ topP: 0 }, 'topP is 0'],
    [{ topP: 1.01 }, 'topP is 1.01'],
    [{ minP: Number.NaN }, 'minP is NaN'],
    [{ repetitionPenalty: 0 }, 'repetitionPenalty is 0'],
    [{ seed: -1 }, 'seed is -1'],
    [{ seed: 2 ** 53 }, 'seed is 9007199254740992'],
    [{ prefillChunk: 257 }, 'prefillChunk is 257'],
    [{ selection: 'top-k' }, 'did you mean topk'],
    [{ mode: 'train' }, 'one of gen, class'],
    [{ strategy: 3 }, 'strategy is 3'],
    [{ stop: [''] }, 'stop is [""]'],
    [{ stop: [1] }, 'stop is [1]'],
    [{ ignoreEos: 'yes' }, 'ignoreEos is "yes"'],
    [{ signal: {} }, 'expected an AbortSignal'],
  ])('refuses %j', (options, expected) => {
    expect(message(options)).toContain(expected);
  });

  it('names the likely option for a misspelled one', () => {
    expect(message({ topk: 3 })).toBe('Misspelled generate option "topk" should be "topK"');
    expect(message({ max_new_tokens: 3 })).toBe('Misspelled generate option "max_new_tokens" should be "maxNewTokens"');
    expect(message({ densty: 0.5 })).toContain('"density"');
    expect(message({ wobble: 3 })).toContain('Unknown generate option "wobble"; known are maxNewTokens');
  });
});

describe('likelyName', () => {
  it('forgives case, separators and a few letters, no more', () => {
    expect(likelyName('TopP', ['topK', 'topP'])).toBe('topP');
    expect(likelyName('temprature', ['temperature', 'seed'])).toBe('temperature');
    expect(likelyName('beam', ['temperature', 'seed'])).toBeNull();
  });
});
