/**
 * Whole models on the emulated GPU when things go wrong: what the driver refuses reaches the caller as a typed error, everything is given back,
 * and rounds of loading, generating and disposing leave nothing behind.
 */
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

import { emulatedStatistics, injectEmulatedFault } from '../../runtime/device/cuda-driver.js';
import { DeviceError, GriffinError } from '../../runtime/errors.js';
import { loadModel, type Model } from '../../runtime/index.js';
import { packageRoot } from '../../runtime/paths.js';
import { temporaryDirectories } from '../support/temp-dir.js';
import { writeCheckpoint } from '../support/write-checkpoint.js';

const freshDir = temporaryDirectories('model-on-gpu');
const library = join(packageRoot(), 'test', 'fixtures', 'no-library');
const rounds = process.env['GRIFFIN_TEST_FULL'] === '1' ? 1000 : 100;

function smallModel(): string {
  const dir = freshDir();
  writeCheckpoint(dir, { config: { num_hidden_layers: 1 } });
  return dir;
}

const load = (dir: string, device = 'emulated:fast'): Promise<Model> => loadModel(dir, { device, library });
const generate = (model: Model, maxNewTokens = 4) => model.generateText([3, 14, 15, 9], { density: 0.5, maxNewTokens, ignoreEos: true });

function expectNothingLeft(): void {
  const now = emulatedStatistics();
  expect([now.contexts, now.allocations, now.hostAllocations, now.streams, now.events, now.modules, now.graphExecs]).toEqual([0, 0, 0, 0, 0, 0, 0]);
}

afterEach(() => injectEmulatedFault('none'));

describe.each(['emulated:fast', 'emulated:fast,eager'])('%s', (device) => {
  it.each(['launch@1', 'lost@2', 'memcpy@1'])('%s during a generation is a typed error; disposal gives everything back', async (fault) => {
    const dir = smallModel();
    const model = await load(dir, device);
    const healthy = await generate(model);
    injectEmulatedFault(fault);
    await expect(generate(model, 6)).rejects.toThrow(DeviceError);
    await model[Symbol.asyncDispose]();
    injectEmulatedFault('none');
    expectNothingLeft();
    await using again = await load(dir, device);
    expect((await generate(again)).tokenIds).toEqual(healthy.tokenIds);
  });

  it.each(['module@1', 'memcpy@1'])('%s while loading is a typed error; nothing is left', async (fault) => {
    const dir = smallModel();
    injectEmulatedFault(fault);
    const loaded = load(dir, device).then(async (model) => {
      await using open = model;
      await generate(open);
    });
    await expect(loaded).rejects.toThrow(GriffinError);
    injectEmulatedFault('none');
    expectNothingLeft();
  });

  it.each(['alloc@1', 'alloc@3'])('%s is overcome: cached memory goes back to the driver, and the second attempt succeeds', async (fault) => {
    const dir = smallModel();
    injectEmulatedFault(fault);
    {
      await using model = await load(dir, device);
      expect((await generate(model)).tokenIds).toHaveLength(4);
    }
    expectNothingLeft();
  });
});

it(`${rounds} rounds of loading, generating and disposing leave nothing on the device`, async () => {
  const dir = smallModel();
  for (let round = 0; round < rounds; round++) {
    await using model = await load(dir);
    expect((await generate(model, 2)).tokenIds).toHaveLength(2);
  }
  expectNothingLeft();
}, 600_000);
