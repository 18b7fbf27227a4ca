import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const loader = fileURLToPath(new URL('../../tuning/source-loader.mjs', import.meta.url));
const script = fileURLToPath(new URL('./support/hanging-child.ts', import.meta.url));

describe('endWhenOrphaned', () => {
  it('kills a process that hangs when its parent is killed, and not before', async () => {
    // The shell is the parent; `wait` keeps it.
    const parent = spawn('sh', ['-c', '"$0" --no-warnings --import "$1" "$2" & wait', process.execPath, loader, script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const child = Number(await new Promise<string>((resolve) => parent.stdout.once('data', (data: Buffer) => resolve(data.toString()))));
    const lives = (): boolean => existsSync(`/proc/${child}`);
    try {
      await sleep(1200);
      expect(lives()).toBe(true);
      parent.kill('SIGKILL');
      for (let i = 0; i < 200 && lives(); i++) await sleep(50);
      expect(lives()).toBe(false);
    } finally {
      if (lives()) process.kill(child, 'SIGKILL');
    }
  }, 20_000);
});
