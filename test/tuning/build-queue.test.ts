import { describe, expect, it } from 'vitest';
import { AbortedError, FileError, TuneError } from '../../runtime/errors.js';
import { createBuildQueue, type BuildQueue } from '../../tuning/build-queue.js';

/** Items are their own ids; the part before `/` is the group. A batch ends when the test says so. */
function setup(options: { jobs?: number; backgroundJobs?: number; batch?: number } = {}) {
  const running: { items: readonly string[]; signal: AbortSignal; finish: () => Promise<void>; fail: (error: Error) => Promise<void>; settle: (id: string) => void }[] = [];
  const batches: (readonly string[])[] = [];
  const queue: BuildQueue<string, string> = createBuildQueue({
    jobs: options.jobs ?? 1,
    backgroundJobs: options.backgroundJobs ?? 1,
    batch: options.batch ?? 4,
    groupOf: (item) => item.split('/')[0] ?? '',
    run: (items, settle, signal) =>
      new Promise((resolve, reject) => {
        batches.push(items);
        const one = {
          items,
          signal,
          settle: (id: string) => settle(id, `built ${id}`),
          finish: () => ended(() => (items.forEach(one.settle), resolve())),
          fail: (error: Error) => ended(() => reject(error)),
        };
        const ended = async (action: () => void): Promise<void> => {
          running.splice(running.indexOf(one), 1);
          action();
          await settled();
        };
        running.push(one);
        signal.addEventListener('abort', () => void one.fail(new AbortedError('stopped')));
      }),
  });
  return { queue, running, batches };
}
const items = (...ids: string[]): ReadonlyMap<string, string> => new Map(ids.map((id) => [id, id]));
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('createBuildQueue', () => {
  it('compiles in order, first in small batches, one group at a time', async () => {
    const { queue, running, batches } = setup();
    queue.add(items('a/1', 'a/2', 'a/3', 'b/1', 'a/4', 'a/5', 'a/6', 'a/7', 'a/8'));
    queue.add(items('a/1', 'b/2'));
    while (running.length > 0) await running[0]!.finish();
    expect(batches).toEqual([['a/1', 'a/2'], ['a/3', 'a/4', 'a/5', 'a/6'], ['b/1', 'b/2'], ['a/7', 'a/8']]);
    await queue.idle();
    expect(queue.has('a/1')).toBe(false);
  });

  it('has no more compilers at a time than it may, and more for what is waited for', async () => {
    const { queue, running } = setup({ jobs: 3, backgroundJobs: 2, batch: 1 });
    queue.add(items('a', 'b', 'c', 'd'));
    expect(running.flatMap((one) => one.items)).toEqual(['a', 'b']);
    const now = queue.now(items('d', 'x'), () => undefined);
    expect(running.flatMap((one) => one.items)).toEqual(['a', 'b', 'd']);
    await running[0]!.finish();
    expect(running.flatMap((one) => one.items)).toEqual(['b', 'd', 'x']);
    await running[1]!.finish();
    await running[1]!.finish();
    await now;
    expect(running.flatMap((one) => one.items)).toEqual(['b', 'c']);
  });

  it('tells each result as soon as it is there', async () => {
    const { queue, running } = setup();
    queue.add(items('g/a', 'g/b'));
    running[0]!.settle('g/a');
    expect(await queue.when('g/a').catch((error: unknown) => error)).toBeInstanceOf(TuneError); // done ones are the caller's
    const b = queue.when('g/b');
    const seen: string[] = [];
    const now = queue.now(items('g/b'), (id) => seen.push(id));
    await running[0]!.finish();
    expect(await b).toBe('built g/b');
    await now;
    expect(seen).toEqual(['g/b']);
  });

  it('fails what runs and what is queued when compiling is not possible, and tries again when asked again', async () => {
    const { queue, running } = setup();
    queue.add(items('a', 'b', 'c'));
    const early = queue.when('c');
    await running[0]!.fail(new FileError('no space'));
    await expect(early).rejects.toBeInstanceOf(FileError);
    await expect(queue.when('a')).rejects.toThrow('no space');
    await queue.idle();
    const again = queue.now(items('a'), () => undefined);
    await running[0]!.finish();
    await again;
    queue.add(items('c'));
    expect(running[0]?.items).toEqual(['c']);
  });

  it('does not leave anyone waiting for an item without a result', async () => {
    const queue = createBuildQueue<string, string>({ jobs: 1, backgroundJobs: 1, batch: 1, groupOf: () => '', run: () => Promise.resolve() });
    await expect(queue.now(items('a'), () => undefined)).rejects.toBeInstanceOf(TuneError);
  });

  it('forgets what has not started', async () => {
    const { queue, running, batches } = setup({ batch: 1 });
    queue.add(items('a', 'b', 'c'));
    const b = queue.when('b');
    expect(queue.cancelQueued()).toEqual(['b', 'c']);
    await expect(b).rejects.toBeInstanceOf(AbortedError);
    await expect(queue.when('c')).rejects.toBeInstanceOf(TuneError);
    await running[0]!.finish();
    await queue.idle();
    expect(batches).toEqual([['a']]);
    queue.add(items('b'));
    expect(running[0]?.items).toEqual(['b']);
  });

  it('stops what runs, and can be used again', async () => {
    const { queue, running } = setup({ batch: 1 });
    queue.add(items('a', 'b'));
    const a = queue.when('a');
    await queue.stop();
    await expect(a).rejects.toBeInstanceOf(AbortedError);
    expect(running).toEqual([]);
    queue.add(items('a'));
    expect(running[0]?.signal.aborted).toBe(false);
    await running[0]!.finish();
    await queue.idle();
  });
});
