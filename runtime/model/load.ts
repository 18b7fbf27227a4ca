import { openCheckpoint } from '../checkpoint/checkpoint.js';
import { loadWeights, type LoadProgress } from '../checkpoint/weights.js';
import { openDevice } from '../device/index.js';
import { AbortedError, UsageError } from '../errors.js';
import { requireKnownNames } from '../generate/options.js';
import { openLibrary } from '../library/library.js';
import { createModel, type Model } from './model.js';

export interface LoadModelOptions {
  /** `cpu`, or `cpu:` and an instruction set (portable, avx2, avx512, avx512bf16). Default `cpu`: the strongest one of this machine. */
  readonly device?: string;
  /** Threads that run kernels. Default: the processors that this process may use. */
  readonly threads?: number;
  /** Directory of tuned kernels. Default: `$GRIFFIN_KERNELS_HOME`, else a per-user cache directory. */
  readonly library?: string;
  /** Stops loading: `loadModel` then throws an AbortedError and frees what was loaded. */
  readonly signal?: AbortSignal;
  /** Called while weights are copied. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Called for each part of the tuned library that is ignored, with the reason. Default: ignored silently (see `model.library.warnings`). */
  readonly onWarning?: (message: string) => void;
}

const OPTION_NAMES = ['device', 'threads', 'library', 'signal', 'onProgress', 'onWarning'] as const satisfies readonly (keyof LoadModelOptions)[];

/**
 * Loads a Hugging Face checkpoint directory onto a device.
 *
 *     await using model = await loadModel('models/demo-llama-7m');
 *
 * Throws a FileError, CheckpointError or TokenizerError for a bad checkpoint, LibraryError when kernels are not built, DeviceError when
 * memory runs out, AbortedError when stopped. Whatever was allocated is freed then.
 */
export async function loadModel(dir: string, options: LoadModelOptions = {}): Promise<Model> {
  requireKnownNames('loadModel option', options, OPTION_NAMES);
  if (typeof dir !== 'string' || dir === '') throw new UsageError(`The model is ${dir === '' ? 'an empty path' : String(dir)}; expected the path of a checkpoint directory`);
  const { signal } = options;
  if (signal?.aborted === true) throw new AbortedError('loading was stopped');
  const started = performance.now();
  const checkpoint = openCheckpoint(dir);
  const tokenizer = checkpoint.hasTokenizer ? checkpoint.tokenizer() : null;
  const deviceName = options.device ?? 'cpu';
  const device = openDevice(deviceName, options.threads === undefined ? {} : { threads: options.threads });
  try {
    const library = openLibrary(device, {
      ...(options.library === undefined ? {} : { directory: options.library }),
      ...(options.onWarning === undefined ? {} : { onWarning: options.onWarning }),
    });
    const weights = await loadWeights(device, checkpoint, {
      ...(options.onProgress === undefined ? {} : { onProgress: options.onProgress }),
      ...(signal === undefined ? {} : { signal }),
    });
    return createModel({
      name: dir,
      deviceName,
      device,
      library,
      weights,
      tokenizer,
      eosTokenIds: checkpoint.eosTokenIds,
      renderChat: (messages) => checkpoint.renderChat(messages),
      loadMs: performance.now() - started,
      ownsDevice: true,
    });
  } catch (error) {
    await device.dispose();
    throw error;
  }
}
