import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeFixtureLibrary } from '../../tuning/report/support/fixture-library.js';
import { griffin } from '../griffin.js';

const directory = mkdtempSync(join(tmpdir(), 'griffin-report-cli-'));
const library = join(directory, 'library');
beforeAll(() => void writeFixtureLibrary(library, { problems: 2, candidates: 12 }));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('griffin report', () => {
  it('writes the page into the library and prints its path', async () => {
    const { code, stdout, stderr } = await griffin(['report', '--library', library]);
    expect(stderr).toBe('');
    expect(stdout).toBe(`${join(library, 'report.html')}\n`);
    expect(readFileSync(stdout.trim(), 'utf8')).toContain('Example CPU, 16 cores');
    expect(code).toBe(0);
  });

  it('gives Markdown and CSV on standard output, or where it is told', async () => {
    const out = join(directory, 'candidates.csv');
    const [markdown, csv, candidates] = await Promise.all([griffin(['report', '--library', library, '--markdown']), griffin(['report', '--library', library, '--csv']), griffin(['report', '--library', library, '--csv', 'candidates', '--out', out])]);
    expect(markdown.stdout).toMatch(/^# Tuning report\n/);
    expect(csv.stdout.split('\r\n')).toHaveLength(2 + 2);
    expect(candidates).toMatchObject({ code: 0, stdout: '' });
    expect(readFileSync(out, 'utf8')).toMatch(/^device_key,.*,axis_/);
  });

  it('says which command fills an empty library', async () => {
    const { code, stderr } = await griffin(['report']);
    expect(stderr).toMatch(/holds no measurements/);
    expect(stderr).toMatch(/griffin tune/);
    expect(code).toBe(1);
  });

  it('refuses flags that mean nothing together', async () => {
    const [both, analysis, unknown] = await Promise.all([griffin(['report', '--markdown', '--csv']), griffin(['report', '--capability', '90']), griffin(['report', '--csv', 'cells'])]);
    expect([both.code, analysis.code, unknown.code]).toEqual([2, 2, 2]);
    expect(both.stderr).toContain('--markdown and --csv exclude each other');
    expect(analysis.stderr).toContain('griffin report --paper --capability');
    expect(existsSync(join(library, 'cells'))).toBe(false);
  });

  it('still analyses kernels on paper', async () => {
    const { code, stdout } = await griffin(['report', '--paper', '--synthetic', 'llama-2-7b']);
    expect(stdout).toContain('npx griffin report --paper --synthetic llama-2-7b --capability 90');
    expect(stdout).toMatch(/gate\/up dense/);
    expect(code).toBe(0);
  });
});
