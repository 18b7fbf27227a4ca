import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { renderHtml, renderJson, renderMarkdown, writeReports } from '../../../runtime/bench/report.js';
import { reportView } from '../../../runtime/bench/report-view.js';
import { SAMPLE_RESULT } from './sample-result.js';

const directory = await mkdtemp(join(tmpdir(), 'griffin-report-'));
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('reportView', () => {
  it('puts the fastest density beside what its bytes allow', () => {
    expect(reportView(SAMPLE_RESULT).headline).toContain('1.33× the full model, where reading fewer bytes allows 1.40×');
  });

  it('counts where the kernels came from', () => {
    expect(reportView(SAMPLE_RESULT).facts.find((fact) => fact.name === 'kernels')?.value).toBe('1 winner, 1 nearest');
  });

  it('keeps every bar and mark inside the chart', () => {
    for (const bar of reportView(SAMPLE_RESULT).charts.flatMap((chart) => chart.bars)) {
      expect(bar.share).toBeGreaterThanOrEqual(0);
      expect(bar.share).toBeLessThanOrEqual(1);
      expect(bar.mark ?? 0).toBeLessThanOrEqual(1);
    }
  });

  it('leaves out tables that have nothing to show', () => {
    const titles = reportView({ ...SAMPLE_RESULT, prefill: null, ffKernels: [], profiles: [] }).tables.map((table) => table.title);
    expect(titles).toEqual(['Decode', 'Kernels']);
  });
});

describe('renderMarkdown', () => {
  it('writes tables whose rows all have as many cells as the header', () => {
    const text = renderMarkdown(SAMPLE_RESULT);
    const blocks = text.split('\n\n').map((block) => block.split('\n').filter((line) => line.startsWith('|'))).filter((lines) => lines.length > 0);
    expect(blocks.length).toBe(6);
    for (const lines of blocks) {
      const cells = lines.map((line) => line.replaceAll('\\|', '').split('|').length);
      expect(new Set(cells).size, lines[0]).toBe(1);
    }
  });
});

describe('renderHtml', () => {
  const html = renderHtml(SAMPLE_RESULT);

  it('escapes text and asks the network for nothing', () => {
    expect(html).toContain('sample &lt;model&gt;');
    expect(html).not.toContain('<model>');
    expect(html).not.toMatch(/(src|href)=/);
  });

  it('opens and closes the same elements', () => {
    for (const tag of ['table', 'tr', 'td', 'th', 'svg', 'dl', 'ul', 'li', 'h2']) {
      expect(html.split(new RegExp(`<${tag}[ >]`)).length, tag).toBe(html.split(`</${tag}>`).length);
    }
  });

  it('draws one bar per entry', () => {
    expect(html.split('<rect ').length - 1).toBe(2 + 3);
  });
});

describe('writeReports', () => {
  it('writes the three files, the JSON of which is the result', async () => {
    const paths = await writeReports(SAMPLE_RESULT, join(directory, 'a', 'b'));
    expect(JSON.parse(await readFile(paths.json, 'utf8'))).toEqual(SAMPLE_RESULT);
    expect(await readFile(paths.json, 'utf8')).toBe(renderJson(SAMPLE_RESULT));
    expect(await readFile(paths.html, 'utf8')).toMatch(/^<!doctype html>/);
    expect(await readFile(paths.markdown, 'utf8')).toMatch(/^# sample/);
  });

  it('says where it could not write', async () => {
    await writeFile(join(directory, 'file'), '');
    await expect(writeReports(SAMPLE_RESULT, join(directory, 'file', 'x'))).rejects.toMatchObject({ code: 'FILE', remedy: expect.stringContaining('--out') as string });
  });
});
