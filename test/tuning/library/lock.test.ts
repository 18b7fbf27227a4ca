import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LibraryError } from '../../../runtime/errors.js';
import { describeHolder, holderOf, lockState, withLock, type LockHolder } from '../../../tuning/library/lock.js';
import { temporaryDirectory } from './support/library.js';

/** What this process writes into a lock. */
async function ownHolder(): Promise<LockHolder> {
  using dir = temporaryDirectory();
  const path = join(dir.path, 'lock');
  return await withLock(path, () => holderOf(path)!);
}

describe('withLock', () => {
  it('lets one in at a time, hands back the result, and leaves no file', async () => {
    using dir = temporaryDirectory();
    const path = join(dir.path, 'lock');
    let inside = 0;
    let most = 0;
    const work = async (i: number): Promise<number> => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 2));
      inside -= 1;
      return i;
    };
    expect(await Promise.all([1, 2, 3, 4].map((i) => withLock(path, () => work(i))))).toEqual([1, 2, 3, 4]);
    expect(most).toBe(1);
    expect(readdirSync(dir.path)).toEqual([]);
  });

  it('is free again after a failure', async () => {
    using dir = temporaryDirectory();
    const path = join(dir.path, 'lock');
    await expect(withLock(path, () => Promise.reject(new RangeError('no')))).rejects.toThrow(RangeError);
    expect(existsSync(path)).toBe(false);
  });

  it('gives up on a live holder, naming it and the file', async () => {
    using dir = temporaryDirectory();
    const path = join(dir.path, 'lock');
    await withLock(path, async () => {
      const attempt = withLock(path, () => undefined, { waitMs: 30, staleMs: 1 });
      await expect(attempt).rejects.toThrow(LibraryError);
      await expect(attempt).rejects.toThrow(new RegExp(`process ${process.pid} on .* since 2[^]*${path}[^]*remove`));
    });
  });

  it('breaks the lock of a process that was killed, at once', async () => {
    using dir = temporaryDirectory();
    const path = join(dir.path, 'lock');
    const child = spawn(process.execPath, ['-e', 'setTimeout(() => 0, 60000)'], { stdio: 'ignore' });
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    const holder = { ...(await ownHolder()), pid: child.pid ?? 0, start };
    writeFileSync(path, JSON.stringify(holder));
    expect(lockState(holder)).toBe('held');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(lockState(holder)).toBe('left');
    expect(await withLock(path, () => 'in', { waitMs: 5000, staleMs: 1e9 })).toBe('in');
    expect(readdirSync(dir.path)).toEqual([]);
  });

  it('is not deceived by a process id that is used again', async () => {
    expect(lockState({ ...(await ownHolder()), start: '1' })).toBe('left');
  });

  it.each([
    ['of another machine', (own: LockHolder) => JSON.stringify({ ...own, boot: 'another', host: 'node7' })],
    ['of another container', (own: LockHolder) => JSON.stringify({ ...own, ids: 'pid:[1]' })],
    ['that was never written whole', () => '{"tok'],
    ['that is empty', () => ''],
  ])('breaks a lock %s after it has not changed for the limit, not before', async (_, text) => {
    using dir = temporaryDirectory();
    const path = join(dir.path, 'lock');
    writeFileSync(path, text(await ownHolder()));
    await expect(withLock(path, () => 'in', { waitMs: 20, staleMs: 60_000 })).rejects.toThrow(LibraryError);
    expect(await withLock(path, () => 'in', { waitMs: 5000, staleMs: 20 })).toBe('in');
    expect(existsSync(path)).toBe(false);
  });

  it('tells the holder when its lock was taken away, and does not remove the lock of the other', async () => {
    using dir = temporaryDirectory();
    const path = join(dir.path, 'lock');
    const other = JSON.stringify({ ...(await ownHolder()), token: 'other' });
    const attempt = withLock(path, (stillMine) => {
      stillMine();
      writeFileSync(path, other);
      stillMine();
    });
    await expect(attempt).rejects.toThrow(/taken over by another process/);
    expect(readFileSync(path, 'utf8')).toBe(other);
  });

  it('names a holder that it can read, and admits one that it cannot', async () => {
    expect(describeHolder(await ownHolder())).toMatch(/^process \d+ on .+ since \d{4}-/);
    expect(describeHolder(undefined)).toBe('an unknown process');
  });
});
