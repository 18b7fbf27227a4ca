import { describe, expect, it } from 'vitest';
import { griffin } from '../griffin.js';

interface Report {
  readonly ready: boolean;
  readonly readBytesPerSecond: number | null;
  readonly machine: { readonly isas: string[]; readonly cores: number };
  readonly checks: { readonly name: string; readonly status: string; readonly remedy?: string }[];
}

describe('griffin doctor', () => {
  it('finds a built checkout ready and measures its read bandwidth', async () => {
    const { code, stdout } = await griffin(['doctor', '--json']);
    const report = JSON.parse(stdout) as Report;
    expect(report.checks.filter((check) => check.status === 'missing')).toEqual([]);
    expect(report.ready).toBe(true);
    expect(report.readBytesPerSecond).toBeGreaterThan(1e8);
    expect(report.machine.isas[0]).toBe('portable');
    expect(code).toBe(0);
  });

  it('says that nothing is tuned, and what tunes', async () => {
    const { stdout } = await griffin(['doctor', '--json']);
    const library = (JSON.parse(stdout) as Report).checks.find((check) => check.name === 'tuned library');
    expect(library).toMatchObject({ status: 'warning' });
    expect(library?.remedy).toMatch(/griffin tune/);
  });

  it('ends in 1 and names the command when the addon is missing', async () => {
    const { code, stdout } = await griffin(['doctor'], { env: { GRIFFIN_ADDON: '/nonexistent/griffin.node' } });
    expect(stdout).toMatch(/MISSING {2}native addon/);
    expect(stdout).toMatch(/npm run build:addon/);
    expect(stdout).toMatch(/Not ready/);
    expect(code).toBe(1);
  });
});
