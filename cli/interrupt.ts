import { AbortedError } from '../runtime/errors.js';

/**
 * Runs `work` with a signal that Ctrl-C (SIGINT) or SIGTERM aborts, so that it can stop cleanly; a second Ctrl-C ends the process at
 * once. When the signal was aborted, the result is an AbortedError (exit code 130) however `work` ended.
 */
export async function withInterrupt<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new AbortedError('interrupted'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  try {
    const result = await work(controller.signal);
    if (controller.signal.aborted) throw new AbortedError('interrupted');
    return result;
  } catch (error) {
    if (controller.signal.aborted) throw error instanceof AbortedError ? error : new AbortedError('interrupted', { cause: error });
    throw error;
  } finally {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  }
}
