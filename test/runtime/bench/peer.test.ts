import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parsePeerLine, runTorchPeer, torchCommand, torchScript, type TorchPeerOptions } from '../../../runtime/bench/peer.js';
import { syntheticConfig } from '../../../runtime/checkpoint/index.js';
import { AbortedError } from '../../../runtime/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'griffin-peer-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = syntheticConfig('llama-3-8b');
const line = { name: 'torch 9: dense', density: 1, ms_per_token: 12.5, prefill_ms: 30, select_ms: null, memory_bytes: 1e9, how: 'so' };

/** A program that stands in for python3. */
function program(name: string, body: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}
const options = (change: Partial<TorchPeerOptions> = {}): TorchPeerOptions => ({ density: 0.5, promptTokens: 128, newTokens: 16, rounds: 7, gpu: 1, ...change });

describe('the torch peer', () => {
  it('is told the shape, the workload and the GPU', () => {
    const command = torchCommand(config, options({ python: 'py' }));
    expect(command.slice(0, 2)).toEqual(['py', torchScript()]);
    const flag = (name: string): string | undefined => command[command.indexOf(name) + 1];
    expect(JSON.parse(flag('--shape') ?? '')).toMatchObject({ hiddenSize: 4096, kvHeads: 8, gated: true });
    expect([flag('--density'), flag('--prompt-tokens'), flag('--new-tokens'), flag('--rounds'), flag('--device')]).toEqual(['0.5', '128', '16', '7', 'cuda:1']);
    expect(torchCommand(config, options({ gpu: null })).slice(-2)).toEqual(['--device', 'cpu']);
  });

  it('answers results line by line, and skips what is none', async () => {
    const python = program('good', `echo "a warning of some library"\necho '${JSON.stringify(line)}'\nprintf '%s' '${JSON.stringify({ ...line, name: 'b', density: 0.5, select_ms: 4 })}'`);
    const seen: string[] = [];
    const { results, notes } = await runTorchPeer(config, options({ python, onProgress: (text) => seen.push(text) }));
    expect(notes).toEqual([]);
    expect(results.map(({ name, msPerToken, selectMs }) => [name, msPerToken, selectMs])).toEqual([['torch 9: dense', 12.5, null], ['b', 12.5, 4]]);
    expect(seen).toEqual(['torch: torch 9: dense', 'torch: b']);
    expect(parsePeerLine('{"name":"x"}')).toBeNull();
  });

  it('says what is missing and goes on', async () => {
    const noTorch = await runTorchPeer(config, options({ python: program('none', `echo '{"missing": "PyTorch is not installed"}'`) }));
    expect(noTorch).toEqual({ results: [], notes: ['torch: PyTorch is not installed'] });
    const noPython = await runTorchPeer(config, options({ python: join(folder, 'nowhere') }));
    expect(noPython.results).toEqual([]);
    expect(noPython.notes).toEqual([expect.stringMatching(/cannot be run \(ENOENT\); install Python 3 with PyTorch/) as string]);
    const broken = await runTorchPeer(config, options({ python: program('broken', `echo '${JSON.stringify(line)}'\necho "Traceback" >&2\necho "ValueError: no" >&2\nexit 3`) }));
    expect(broken.results).toHaveLength(1);
    expect(broken.notes).toEqual(['torch: the script ended with exit code 3: ValueError: no']);
  });

  it('is stopped when it hangs, and when the caller stops', async () => {
    const python = program('hangs', 'exec sleep 60');
    expect((await runTorchPeer(config, options({ python, limitMs: 100 }))).notes[0]).toMatch(/stopped after 0 s/);
    await expect(runTorchPeer(config, options({ python, signal: AbortSignal.timeout(100) }))).rejects.toThrow(AbortedError);
  });
});
