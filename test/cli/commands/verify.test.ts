import { readFileSync, rmSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { VerifyReport } from '../../../tuning/verify-run.js';
import { griffin } from '../griffin.js';

const folder = mkdtempSync(join(tmpdir(), 'griffin-verify-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('griffin verify', () => {
  it('prints a table and writes the report', async () => {
    const file = join(folder, 'report.json');
    const { code, stdout } = await griffin(['verify', '--device', 'cpu:portable', '--families', 'rms_norm,embed', '--variants', '0', '--json', file]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^embed +3 +3 +\d+ +0 /m);
    expect(stdout).toMatch(/^rms_norm +1 +1 +\d+ +0 /m);
    const report = JSON.parse(readFileSync(file, 'utf8')) as VerifyReport;
    expect(report.runs).toEqual(['cpu:portable']);
    expect(report.families.map(({ failures }) => failures)).toEqual([0, 0]);
  });

  it('says what is wrong with options', async () => {
    const family = await griffin(['verify', '--families', 'nonsense']);
    expect(family).toMatchObject({ code: 2, stdout: '' });
    expect(family.stderr).toMatch(/unknown kernel family nonsense/);
    expect((await griffin(['verify', '--schedules', 'sideways'])).code).toBe(2);
    expect((await griffin(['verify', '--all', '--variants', '2'])).code).toBe(2);
    const device = await griffin(['verify', '--device', 'nonsense']);
    expect(device.code).toBe(2);
    expect(device.stderr).toMatch(/^griffin: unknown device nonsense/);
  });

  it('stops at the first interrupt', async () => {
    const { code } = await griffin(['verify', '--device', 'cpu:portable', '--variants', '5'], { interruptWhen: (_, stderr) => stderr.includes('verify: compiled') });
    expect(code).toBe(130);
  });
});
