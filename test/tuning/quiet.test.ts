import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { AbortedError } from '../../runtime/errors.js';
import { runProcess, untilLoud } from '../../tuning/compiler.js';
import { createQuietGate, signalGroup } from '../../tuning/quiet.js';
import { temporaryDirectories } from '../support/temp-dir.js';

const temporary = temporaryDirectories('quiet');

/** `R`, `S`, `T` (stopped), … of a process; null when there is none. */
function state(pid: number): string | null {
  try {
    return /^\d+ \(.*\) (\S)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? null;
  } catch {
    return null;
  }
}
const ended = (pid: number): boolean => state(pid) === null || state(pid) === 'Z';

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}

/** A "compiler": a shell with a child that is busy and one that sleeps; it writes their ids to a file. */
const forking = (file: string): string[] => ['-c', `while :; do :; done & busy=$!; sleep 60 & echo "$$ $busy $!" > '${file}.tmp'; mv '${file}.tmp' '${file}'; wait`];

async function idsIn(file: string): Promise<readonly number[]> {
  let text = '';
  await until(() => {
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      return false;
    }
    return true;
  });
  return text.trim().split(' ').map(Number);
}

const children: ChildProcess[] = [];
const groups: number[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const group of groups.splice(0)) signalGroup(group, 'SIGKILL');
});

describe('createQuietGate', () => {
  it('stops a compiler and all that it has forked, and lets them go on', async () => {
    const file = join(temporary(), 'ids');
    const gate = createQuietGate();
    const abort = new AbortController();
    const running = runProcess('/bin/sh', forking(file), { gate, signal: abort.signal });
    const ids = await idsIn(file);
    groups.push(ids[0]!);
    expect(gate.pause()).toEqual([ids[0]]);
    await until(() => ids.every((id) => state(id) === 'T'));
    expect(gate.pause()).toEqual([ids[0]]);
    gate.resume();
    await until(() => ids.every((id) => state(id) !== 'T' && state(id) !== null));
    gate.pause();
    abort.abort(); // stopped processes end too
    await expect(running).rejects.toBeInstanceOf(AbortedError);
    await until(() => ids.every(ended));
    gate.resume();
    expect(gate.pause()).toEqual([]);
  });

  it('starts nothing in a quiet section, and stops at once what is registered in one', async () => {
    const gate = createQuietGate();
    gate.pause();
    const file = join(temporary(), 'ran');
    const running = runProcess('/bin/sh', ['-c', `echo yes > '${file}'`], { gate });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(() => readFileSync(file)).toThrow();
    const child = spawn('/bin/sleep', ['60'], { detached: true, stdio: 'ignore' });
    children.push(child);
    const release = gate.register(child.pid!);
    await until(() => state(child.pid!) === 'T');
    gate.resume();
    await until(() => state(child.pid!) === 'S');
    expect(await running).toMatchObject({ code: 0 });
    expect(readFileSync(file, 'utf8')).toBe('yes\n');
    release();
    expect(gate.pause()).toEqual([]);
    expect(state(child.pid!)).toBe('S');
  });

  it('does not keep who stops waiting for its end', async () => {
    const gate = createQuietGate();
    gate.pause();
    const abort = new AbortController();
    const waiting = untilLoud({ gate, signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toBeInstanceOf(AbortedError);
    await expect(runProcess('/bin/true', [], { gate, signal: abort.signal })).rejects.toBeInstanceOf(AbortedError);
  });

  it('counts the time of quiet sections', () => {
    let now = 0;
    const gate = createQuietGate(() => now);
    now = 5;
    gate.pause();
    now = 8;
    expect([gate.quietMs(), gate.paused]).toEqual([3, true]);
    gate.pause();
    now = 10;
    gate.resume();
    gate.resume();
    now = 20;
    expect([gate.quietMs(), gate.paused]).toEqual([5, false]);
  });

  it('runs compilers at a lower priority', async () => {
    const gate = createQuietGate();
    const { stdout } = await runProcess('/bin/sh', ['-c', 'sleep 0.3; cut -d" " -f19 /proc/$$/stat'], { gate });
    const { stdout: own } = await runProcess('/bin/sh', ['-c', 'sleep 0.3; cut -d" " -f19 /proc/$$/stat'], {});
    expect(Number(stdout)).toBe(Math.max(Number(own), 10));
  });
});

/** A process that runs a forking compiler through a gate, stops it when told to, and then does what `then` says. */
function launch(file: string, then: string): ChildProcess {
  const source = (path: string): string => JSON.stringify(pathToFileURL(join(import.meta.dirname, '../../tuning', path)).href);
  const script = `${file}.mjs`;
  writeFileSync(
    script,
    `import { runProcess } from ${source('compiler.ts')};
     import { createQuietGate } from ${source('quiet.ts')};
     const gate = createQuietGate();
     runProcess('/bin/sh', ${JSON.stringify(forking(file))}, { gate }).catch(() => undefined);
     process.on('message', () => { gate.pause(); process.send('paused', () => { ${then} }); });`,
  );
  const child = spawn(process.execPath, ['--import', pathToFileURL(join(import.meta.dirname, '../../tuning/source-loader.mjs')).href, script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  children.push(child);
  return child;
}

describe('when the tuner ends in a quiet section, no compiler is left', () => {
  it.each([
    ['kill -9', '', 'SIGKILL'],
    ['Ctrl-C', '', 'SIGINT'],
    ['a normal end', 'process.exit(0);', null],
  ] as const)('%s', async (_name, then, signal) => {
    const file = join(temporary(), 'ids');
    const tuner = launch(file, then);
    const ids = await idsIn(file);
    groups.push(ids[0]!);
    const gone = once(tuner, 'exit');
    const paused = once(tuner, 'message');
    tuner.send('now');
    await paused;
    if (signal !== null) {
      await until(() => ids.every((id) => state(id) === 'T'));
      tuner.kill(signal);
    }
    await gone;
    await until(() => ids.every(ended));
  });
});
