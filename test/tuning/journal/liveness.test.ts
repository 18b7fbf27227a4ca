import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { isRunAlive, markClosed, markOpen, ownIdentity, processStart } from '../../../tuning/journal/liveness.js';
import { at, runLine } from './support.js';

const own = { host: 'here', boot: 'b', pid: 5 };
const run = { ...runLine('r', 10, 7), host: 'here' };
const began = (s: number) => () => Date.parse(at(s));

describe('isRunAlive', () => {
  it('is so for a process of that id that began before the run', () => {
    expect(isRunAlive(run, own, began(9))).toBe(true);
    expect(isRunAlive(run, own, began(60))).toBe(false);
    expect(isRunAlive(run, own, () => null)).toBe(false);
  });

  it('is not so on another host or since another boot', () => {
    expect(isRunAlive({ ...run, host: 'there' }, own, began(9))).toBe(false);
    expect(isRunAlive({ ...run, boot: 'c' }, own, began(9))).toBe(false);
  });

  it('asks the journal where the run is of this process', () => {
    expect(isRunAlive(run, { ...own, pid: 7 }, began(9))).toBe(false);
    markOpen('r');
    expect(isRunAlive(run, { ...own, pid: 7 }, began(9))).toBe(true);
    markClosed('r');
    expect(isRunAlive(run, { ...own, pid: 7 }, began(9))).toBe(false);
  });

  it('sees a real process come and go', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
    const header = { ...runLine('child', 0, child.pid), ...ownIdentity(), pid: child.pid!, at: new Date().toISOString() };
    expect(Math.abs(processStart(child.pid!)! - Date.now())).toBeLessThan(10_000);
    expect(isRunAlive(header)).toBe(true);
    expect(isRunAlive({ ...header, at: new Date(Date.now() - 60_000).toISOString() })).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(isRunAlive(header)).toBe(false);
  });
});
