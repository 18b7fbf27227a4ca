import { describe, expect, it } from 'vitest';
import { withInterrupt } from '../../cli/interrupt.js';

const interrupt = (): void => void process.emit('SIGINT', 'SIGINT');

describe('withInterrupt', () => {
  it('passes results and errors through when nothing interrupts', async () => {
    await expect(withInterrupt(() => Promise.resolve(5))).resolves.toBe(5);
    await expect(withInterrupt(() => Promise.reject(new RangeError('x')))).rejects.toThrow(RangeError);
  });

  it('aborts the signal on SIGINT and rejects however the work ends', async () => {
    for (const end of [() => 'done', () => Promise.reject(new Error('half-way'))]) {
      const work = withInterrupt(async (signal) => {
        interrupt();
        expect(signal.aborted).toBe(true);
        return end();
      });
      await expect(work).rejects.toMatchObject({ code: 'ABORTED' });
    }
  });

  it('leaves no listener behind', async () => {
    const before = process.listenerCount('SIGINT');
    await withInterrupt(() => Promise.resolve());
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});
