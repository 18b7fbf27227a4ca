/** Writes a benchmark result as JSON, Markdown and one self-contained HTML page. */
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Handlebars from 'handlebars';
import { FileError } from '../errors.js';
import { makeDirectory } from '../paths.js';
import { HTML_TEMPLATE } from './report-html.js';
import { reportView, type Bar, type Table } from './report-view.js';
import type { BenchResult } from './result.js';

export function renderJson(result: BenchResult): string {
  return `${JSON.stringify(result, null, 2)}\n`;
}

export function renderMarkdown(result: BenchResult): string {
  const view = reportView(result);
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  const table = (t: Table): string =>
    [`## ${t.title}`, '', t.note, '', line(t.columns), line(t.columns.map((_, i) => (i === 0 ? '---' : '---:'))), ...t.rows.map(line), ''].join('\n');
  return [
    `# ${view.title}`,
    '',
    view.headline,
    '',
    ...view.facts.map(({ name, value }) => `- **${name}**: ${value}`),
    '',
    ...view.tables.map(table),
    ...(view.notes.length === 0 ? [] : ['## Notes', '', ...view.notes.map((note) => `- ${note}`), '']),
  ].join('\n');
}

const BAR_LEFT = 220;
const BAR_WIDTH = 420;
const BAR_STEP = 28;

/** Geometry of one bar in the chart's user units. */
function barView(bar: Bar, index: number) {
  const y = index * BAR_STEP;
  return {
    label: bar.label,
    text: bar.text,
    x: BAR_LEFT,
    y: y + 5,
    width: Math.max(1, bar.share * BAR_WIDTH).toFixed(1),
    textX: BAR_LEFT + BAR_WIDTH + 10,
    textY: y + 18,
    labelX: BAR_LEFT - 10,
    mark: bar.mark === null ? null : { x: (BAR_LEFT + bar.mark * BAR_WIDTH).toFixed(1), y1: y + 2, y2: y + 26 },
  };
}

export function renderHtml(result: BenchResult): string {
  const view = reportView(result);
  const template = Handlebars.create().compile(HTML_TEMPLATE, { strict: true });
  return template({
    ...view,
    charts: view.charts.map((chart) => ({
      ...chart,
      width: BAR_LEFT + BAR_WIDTH + 90,
      height: chart.bars.length * BAR_STEP + 4,
      bars: chart.bars.map(barView),
    })),
  });
}

/** Writes report.json, report.md and report.html into `directory` (created when missing) and returns their paths. Throws FileError. */
export async function writeReports(result: BenchResult, directory: string): Promise<{ json: string; markdown: string; html: string }> {
  const paths = { json: join(directory, 'report.json'), markdown: join(directory, 'report.md'), html: join(directory, 'report.html') };
  const contents = { json: renderJson(result), markdown: renderMarkdown(result), html: renderHtml(result) };
  try {
    makeDirectory(directory);
    for (const kind of ['json', 'markdown', 'html'] as const) {
      const temporary = `${paths[kind]}.${process.pid}.tmp`;
      await writeFile(temporary, contents[kind]);
      await rename(temporary, paths[kind]);
    }
  } catch (error) {
    throw new FileError(`the report could not be written to ${directory}: ${error instanceof Error ? error.message : String(error)}`, {
      remedy: 'choose a writable folder with --out DIR',
      cause: error,
    });
  }
  return paths;
}
