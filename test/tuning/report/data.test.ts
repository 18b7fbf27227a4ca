import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LibraryError } from '../../../runtime/errors.js';
import { reportCsv } from '../../../tuning/report/csv.js';
import { buildReport } from '../../../tuning/report/data.js';
import { reportHtml } from '../../../tuning/report/html.js';
import { reportMarkdown } from '../../../tuning/report/markdown.js';
import type { ProblemDetail, ReportData, SectionReport } from '../../../tuning/report/types.js';
import { writeFixtureLibrary } from './support/fixture-library.js';

const directory = mkdtempSync(join(tmpdir(), 'griffin-report-'));
const library = join(directory, 'library');
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const now = (): Date => new Date('2026-03-02T00:00:00Z');

let fixture: ReturnType<typeof writeFixtureLibrary>;
let data: ReportData;
let section: SectionReport;
beforeAll(() => {
  fixture = writeFixtureLibrary(library, { problems: 4, candidates: 40, dirty: true, damaged: true });
  data = buildReport(library, { now, isAlive: () => false });
  section = data.sections[0] as SectionReport;
});

/** RFC 4180, enough for what is written. */
function parseCsv(text: string): string[][] {
  const rows = text.split('\r\n').slice(0, -1);
  return rows.map((row) => [...row.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare ?? ''));
}

describe('buildReport', () => {
  it('tells a winner with its interval, its share of the roof and the default’s', () => {
    for (const entry of fixture.winners.devices[section.deviceKey]?.entries ?? []) {
      const found = section.problems.find(({ winner }) => winner?.kernelId === entry.kernelId);
      expect(found?.winner).toMatchObject({ medianNs: entry.medianNs, dirty: entry.dirty, roofShare: entry.roofShare, speedUp: 1 / (entry.ratio?.median ?? 1) });
      expect(found?.winner?.defaultRoofShare).toBeCloseTo((entry.roofShare ?? 0) * (entry.ratio?.median ?? 1));
      expect(found?.reason).toMatch(found?.winner?.isDefault === true ? /no variant beats the default/ : /faster than the default/);
      expect(found?.standings.length).toBeGreaterThan(1);
      expect(found?.standings.find(({ isDefault }) => isDefault)?.ratio).toEqual({ median: 1, low: 1, high: 1 });
    }
  });

  it('names a problem without a decision as open', () => {
    const open = section.problems.filter(({ winner }) => winner === null);
    expect(open).toHaveLength(1);
    expect(open[0]?.reason).toMatch(/no final was run yet/);
    expect(section.headline).toMatchObject({ decided: 3, problems: 4 });
  });

  it('counts every candidate of the journal once, in the state that the journal says', () => {
    const lines = fixture.lines.flatMap((line) => (line.kind === 'outcome' ? [line] : []));
    expect(section.headline.candidates).toBe(lines.length);
    for (const state of ['ok', 'wrong', 'compile-failed'] as const) expect(section.outcomes[state]).toBe(lines.filter((line) => line.state === state).length);
    expect(section.messages.reduce((sum, { count }) => sum + count, 0)).toBe(section.headline.failed);
    const milliseconds = lines.reduce((sum, { compileMs, evaluateMs }) => sum + (compileMs ?? 0) + (evaluateMs ?? 0), 0);
    expect(section.headline.compileSeconds + section.headline.evaluateSeconds).toBeCloseTo(milliseconds / 1000);
  });

  it('explains times by axes and follows the search', () => {
    for (const { axes, convergence, candidates } of section.problems) {
      expect(axes[0]?.share).toBeGreaterThan(0);
      expect(axes.map(({ share }) => share)).toEqual([...axes.map(({ share }) => share)].sort((a, b) => (b ?? -1) - (a ?? -1)));
      expect(candidates[0]).toMatchObject({ isDefault: true });
      expect(convergence.at(-1)).toMatchObject({ tried: candidates.length, best: Math.min(...candidates.flatMap(({ state, ratio }) => (state === 'ok' ? (ratio ?? []) : []))) });
      convergence.slice(1, -1).forEach((point, i) => expect(point.best).toBeLessThan(convergence[i]?.best ?? 0));
    }
  });

  it('tells which run was killed and what the journals lost', () => {
    expect(data.runs.map(({ end }) => end)).toEqual(['killed', 'done']);
    expect(data.journals).toMatchObject([{ name: 'journal.jsonl', lines: fixture.lines.length, badLines: 1, oldLines: 1 }]);
    expect(section.advice.filter(({ level }) => level === 'warning').map(({ text }) => text)).toEqual([expect.stringMatching(/disturbed/), expect.stringMatching(/no decision yet/)]);
  });

  it('takes foreign load and clocks from all measurements', () => {
    const clock = section.conditions.readings.find(({ name }) => name === 'processor clock');
    expect(clock?.median).toBeGreaterThan(3400);
    expect(section.conditions.dirty).toBe(fixture.lines.filter((line) => line.kind === 'final' && line.dirty).length);
  });

  it('does not depend on how journals are divided', () => {
    const split = join(directory, 'split');
    writeFixtureLibrary(split, { problems: 4, candidates: 40, dirty: true });
    const lines = readFileSync(join(split, 'journal.jsonl'), 'utf8').split('\n');
    writeFileSync(join(split, 'journal.jsonl'), lines.slice(0, 60).reverse().join('\n'));
    writeFileSync(join(split, 'journal.1-of-2.jsonl'), lines.slice(40).join('\n'));
    const again = buildReport(split, { now, isAlive: () => false });
    expect(again.sections.map(({ problems }) => problems)).toEqual(data.sections.map(({ problems }) => problems));
    expect(again.journals).toHaveLength(2);
  });

  it('says what to run where there is nothing, and which devices there are', () => {
    expect(() => buildReport(join(directory, 'none'))).toThrow(expect.objectContaining({ name: 'LibraryError', remedy: expect.stringMatching(/^griffin tune .*none$/) as string }) as LibraryError);
    expect(() => buildReport(library, { device: 'cpu-other' })).toThrow(`it has: ${section.deviceKey}`);
    expect(buildReport(library, { device: section.deviceKey }).sections).toHaveLength(1);
  });
});

describe('CSV', () => {
  it('has a row per problem whose numbers are those of the data', () => {
    const [head = [], ...rows] = parseCsv(reportCsv(data));
    const column = (name: string): string[] => rows.map((row) => row[head.indexOf(name)] ?? '');
    expect(column('problem')).toEqual(section.problems.map(({ problem }) => problem));
    expect(column('speed_up').map(Number)).toEqual(section.problems.map(({ winner }) => winner?.speedUp ?? 0));
    expect(rows.every((row) => row.length === head.length)).toBe(true);
  });

  it('has a row per candidate with axes as columns; text cannot become a formula', () => {
    const [head = [], ...rows] = parseCsv(reportCsv(data, 'candidates'));
    const all = section.problems.flatMap(({ candidates }) => candidates);
    expect(rows.map((row) => row[head.indexOf('kernel')])).toEqual(all.map(({ kernelId }) => kernelId));
    for (const axis of Object.keys(all[0]?.axes ?? {})) expect(Number(rows[0]?.[head.indexOf(`axis_${axis}`)])).toBe(all[0]?.axes?.[axis]);
    expect(rows.find((row) => row[head.indexOf('state')] === 'wrong')?.[head.indexOf('message')]).toContain('<script>alert("x")</script> & \\u{1}');
    const evil = { ...data, sections: [{ ...section, problems: [{ ...section.problems[0], reason: '=HYPERLINK("x")' } as ProblemDetail] }] };
    expect(reportCsv(evil)).toContain('"\'=HYPERLINK(""x"")"');
  });
});

describe('Markdown', () => {
  it('has rows as long as their heads, and nothing that Markdown acts on', () => {
    const text = reportMarkdown(data);
    let width = 0;
    for (const line of text.split('\n')) {
      if (!line.startsWith('|')) width = 0;
      else {
        const cells = line.replaceAll('\\|', '').split('|').length;
        if (width > 0) expect(cells).toBe(width);
        width = cells;
      }
    }
    expect(text).toContain('\\<script\\>');
    for (const { label } of section.problems) expect(text).toContain(`| ${label} |`);
  });
});

describe('HTML', () => {
  const page = (): string => reportHtml(data);

  it('asks for nothing from outside and lets nothing of a journal through', () => {
    const text = page();
    expect(text).not.toMatch(/(src|href)="(?!#|data:,)/);
    expect(text).not.toMatch(/url\(|@import/);
    expect(text).not.toContain('<script>alert');
    expect(text.match(/<script/g)).toHaveLength(1);
    expect(text).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; \\u{1}\\u{202e}');
  });

  it('gives every chart a name and a figure a table or a caption', () => {
    const charts = page().match(/<svg[^>]*>/g) ?? [];
    expect(charts.length).toBeGreaterThan(20);
    for (const chart of charts) expect(chart).toMatch(/aria-label="[^"]{10,}".*role="img"/);
    expect(page()).not.toMatch(/="[^"]*(NaN|Infinity|undefined)/);
  });
});
