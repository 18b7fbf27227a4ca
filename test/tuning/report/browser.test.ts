/** The report as a browser shows it. Needs Chromium or Chrome ($CHROME_PATH, or on the path); without one these tests are skipped. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildReport } from '../../../tuning/report/data.js';
import { reportHtml } from '../../../tuning/report/html.js';
import { findBrowser, startBrowser, type Browser, type Page } from './support/browser.js';
import { writeFixtureLibrary } from './support/fixture-library.js';

const path = findBrowser();
if (path === null) console.warn('the report is not looked at in a browser: neither $CHROME_PATH nor chromium nor google-chrome was found');

interface Chart {
  readonly name: string;
  readonly marks: number;
  readonly emptyMarks: number;
  readonly badAttributes: readonly string[];
  readonly width: number;
  readonly height: number;
}

// Marks without extent of their own are those that are drawn by a stroke.
const CHARTS = `[...document.querySelectorAll('svg')].map((svg) => {
  const marks = [...svg.querySelectorAll('g[aria-label] circle, g[aria-label] rect, g[aria-label] path, g[aria-label] line')].filter((mark) => !mark.closest('[aria-hidden=true]'));
  const size = (mark) => { const box = mark.getBBox(); return Math.max(box.width, box.height); };
  const box = svg.getBoundingClientRect();
  return {
    name: svg.getAttribute('aria-label'),
    marks: marks.length,
    emptyMarks: marks.filter((mark) => mark.tagName !== 'line' && size(mark) <= 0).length,
    badAttributes: [...svg.querySelectorAll('*')].flatMap((element) => [...element.attributes].filter(({ value }) => /NaN|Infinity|undefined/.test(value)).map(({ name, value }) => name + '=' + value)),
    width: box.width,
    height: box.height,
  };
})`;

/** Contrast (WCAG 2.1, 1.4.3) of every piece of text with what is behind it: the nearest background that is not transparent. */
const LOW_CONTRAST = `(() => {
  const parse = (colour) => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return { r, g, b, a }; };
  const luminance = ({ r, g, b }) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => { for (let e = element; e !== null; e = e.parentElement) { const colour = parse(getComputedStyle(e).backgroundColor); if (colour.a > 0) return colour; } throw new Error('no background'); };
  const low = new Map();
  let seen = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === '' || element.closest('script, style, title') !== null) continue;
    const style = getComputedStyle(element);
    const front = parse(element.closest('svg') === null ? style.color : style.fill);
    const [light, dark] = [luminance(front), luminance(behind(element))].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    seen++;
    if (contrast < 4.5 || front.a < 1) low.set(element.tagName + '.' + element.className + ' ' + contrast.toFixed(2), walker.currentNode.data.slice(0, 40));
  }
  return { seen, low: [...low] };
})()`;

const WIDE = `[...document.querySelectorAll('svg, table, figure, .cards, .advice, dl')].filter((element) => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map((element) => element.tagName + ' ' + element.getAttribute('aria-label'))`;

/** Letters outside their chart: what contains it may cut them off. */
const CUT_TEXT = `[...document.querySelectorAll('svg')].flatMap((svg) => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter((text) => { const own = text.getBoundingClientRect(); return own.left < box.left - 1 || own.right > box.right + 1 || own.top < box.top - 1 || own.bottom > box.bottom + 1; }).map((text) => svg.getAttribute('aria-label') + ': ' + text.textContent);
})`;

describe.skipIf(path === null)('the report in a browser', () => {
  const directory = mkdtempSync(join(tmpdir(), 'griffin-report-browser-'));
  const file = join(directory, 'report.html');
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    writeFixtureLibrary(join(directory, 'library'), { problems: 3, candidates: 30, dirty: true, damaged: true });
    writeFileSync(file, reportHtml(buildReport(join(directory, 'library'), { isAlive: () => false })));
    browser = await startBrowser(path ?? '');
    page = await browser.open(pathToFileURL(file).href);
  });
  afterAll(async () => {
    await browser.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('loads without an error and asks for nothing but itself', () => {
    expect(page.problems).toEqual([]);
    expect(page.requests).toEqual([pathToFileURL(file).href]);
  });

  it('draws every chart: marks with an extent, numbers that are numbers', async () => {
    const charts = await page.evaluate<Chart[]>(CHARTS);
    const names = charts.map(({ name }) => name).join('\n');
    for (const what of [/How many times as fast/, /limit/, /by state/, /Seconds spent/, /finalists/, /best time found so far against candidates/, /best time found so far against seconds/, /by value of/]) expect(names).toMatch(what);
    for (const chart of charts) {
      expect(chart, chart.name).toMatchObject({ emptyMarks: 0, badAttributes: [] });
      expect(chart.marks, chart.name).toBeGreaterThan(1);
      expect(Math.min(chart.width, chart.height), chart.name).toBeGreaterThan(100);
    }
  });

  it.each(['light', 'dark'] as const)('can be read in %s: every text has a contrast of 4.5 at least', async (colours) => {
    await page.emulate({ colours });
    const { seen, low } = await page.evaluate<{ seen: number; low: [string, string][] }>(LOW_CONTRAST);
    expect(low).toEqual([]);
    expect(seen).toBeGreaterThan(500);
    const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    expect(background === 'rgb(255, 255, 255)').toBe(colours === 'light');
  });

  it('fits a narrow window: only boxes that scroll are wider', async () => {
    await page.emulate({ width: 420 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(420);
    await page.emulate({});
    expect(await page.evaluate(WIDE)).toEqual([]);
    expect(await page.evaluate(CUT_TEXT)).toEqual([]);
  });

  it('prints on white with nothing cut off or folded away, also for readers of dark pages', async () => {
    // A4 less the margins, in CSS pixels.
    await page.emulate({ type: 'print', colours: 'dark', width: 703 });
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)');
    expect(await page.evaluate(WIDE)).toEqual([]);
    expect(await page.evaluate(CUT_TEXT)).toEqual([]);
    expect(await page.evaluate("[...document.querySelectorAll('details table')].filter((table) => !table.checkVisibility({ contentVisibilityAuto: true }) || table.getBoundingClientRect().height === 0).length")).toBe(0);
    expect((await page.evaluate<{ low: unknown[] }>(LOW_CONTRAST)).low).toEqual([]);
    expect((await page.pdf()).subarray(0, 5).toString()).toBe('%PDF-');
    await page.emulate({});
  });

  it('sorts a table by a column that is clicked, by numbers where they are numbers', async () => {
    const order = await page.evaluate<number[][]>(`(() => {
      const table = document.querySelector('table.sortable');
      const column = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent.startsWith('time'));
      const click = () => { table.tHead.rows[0].cells[column].querySelector('button').click(); return [...table.tBodies[0].rows].map((row) => Number(row.cells[column].dataset.v)); };
      return [click(), click()];
    })()`);
    expect(order[0]).toHaveLength(3);
    expect(order[0]).toEqual([...(order[0] ?? [])].sort((a, b) => b - a));
    expect(order[1]).toEqual([...(order[0] ?? [])].reverse());
    expect(page.problems).toEqual([]);
  });
});
