import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DeviceIdentity, GpuIdentity } from '../../runtime/device/types.js';
import { appendExpertTrace } from '../../runtime/griffin/expert-trace.js';
import { TuneError } from '../../runtime/errors.js';
import { driverOf, isasToTune, regimeOf } from '../../tuning/run-identity.js';

const cpu: DeviceIdentity = { kind: 'cpu', name: 'CPU', key: 'cpu-1', isas: ['portable', 'avx2'], cores: 4, l1dBytes: 1, l2Bytes: 1, l3Bytes: 1, memoryBytes: 1 };
const gpu: DeviceIdentity = { ...cpu, kind: 'cuda', key: 'gpu-1', isas: ['sm80', 'sm90'], gpu: { driver: 12040 } as GpuIdentity };
const info = (identity: DeviceIdentity, isa: string) => ({ identity, threads: 4, isa });

describe('isasToTune', () => {
  it("is a CPU's own set, and all of a GPU's", () => {
    expect(isasToTune(info(cpu, 'avx2'))).toEqual(['avx2']);
    expect(isasToTune(info(gpu, 'sm90'))).toEqual(['sm80', 'sm90']);
  });
  it('refuses what the generator does not know', () => {
    expect(() => isasToTune(info(cpu, 'sse9'))).toThrow(TuneError);
    expect(() => isasToTune(info({ ...gpu, isas: ['sm80', 'sm77'] }, 'sm80'))).toThrow(/sm77/);
  });
});

describe('regimeOf', () => {
  it('tells threads, graphs and eager launches apart', () => {
    expect(regimeOf(info(cpu, 'avx2'), { device: 'cpu' })).toBe('plan-cold-t4');
    expect(regimeOf(info(gpu, 'sm90'), { device: 'cuda:0' })).toBe('graph-cold');
    expect(regimeOf(info(gpu, 'sm90'), { device: 'cuda:0,eager' })).toBe('eager-cold');
  });
  it('has the contents of an expert trace in it, not its name', () => {
    const directory = mkdtempSync(join(tmpdir(), 'griffin-regime-'));
    try {
      const write = (name: string, experts: readonly number[]): string => {
        const path = join(directory, name);
        appendExpertTrace(path, { model: 'm', layers: 1, intermediate: 8 }, { k: experts.length, layers: [experts] });
        return path;
      };
      const regime = (path: string): string => regimeOf(info(cpu, 'avx2'), { device: 'cpu', experts: path });
      const one = regime(write('a.jsonl', [1, 2]));
      expect(one).toMatch(/^plan-cold-t4-x[0-9a-f]+$/);
      expect(regime(write('b.jsonl', [1, 2]))).toBe(one);
      expect(regime(write('c.jsonl', [1, 3]))).not.toBe(one);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});

describe('driverOf', () => {
  it("is the version of CUDA that a GPU's driver speaks, or the operating system's kernel", () => {
    expect(driverOf(gpu)).toBe('cuda 12.4');
    expect(driverOf(cpu)).toMatch(/^\w+ \d+\.\d+$/);
  });
});
