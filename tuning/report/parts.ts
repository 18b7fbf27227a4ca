/** Parts of the page that its sections share: figures with a legend, and tables. */
import { OUTCOME_STATES, type OutcomeState } from '../types.js';
import { html, trusted, type Content, type Markup } from './markup.js';

export interface Column<T> {
  readonly name: string;
  readonly cell: (row: T) => Content;
  /** Numbers stand at the right and sort as numbers: what to sort by. */
  readonly number?: (row: T) => number | null;
  readonly kind?: 'id' | 'w';
}

export function table<T>(caption: string, columns: readonly Column<T>[], rows: readonly T[], options: { readonly sortable?: boolean; readonly marked?: (row: T) => boolean } = {}): Markup {
  const kind = ({ number, kind: given }: Column<T>): string => (number === undefined ? (given ?? '') : 'n');
  return html`<div class="scroll"><table${trusted(options.sortable === true ? ' class="sortable"' : '')} aria-label="${caption}"><thead><tr>${columns.map((column) => html`<th scope="col" class="${kind(column)}">${column.name}</th>`)}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr${trusted(options.marked?.(row) === true ? ' class="won"' : '')}>${columns.map((column) => html`<td class="${kind(column)}"${column.number === undefined ? null : html` data-v="${column.number(row) ?? -1}"`}>${column.cell(row)}</td>`)}</tr>
`,
  )}</tbody></table></div>`;
}

export interface Key {
  readonly name: string;
  /** A CSS colour. */
  readonly colour: string;
  readonly shape?: 'dot' | 'diamond' | 'hollow' | 'line' | 'dash';
}

/** A chart with what it shows, what its colours mean, and its numbers in a table that is folded away on a screen. */
export function figure(caption: Content, keys: readonly Key[], svg: string, numbers: Markup | null = null): Markup {
  return html`<figure><figcaption>${caption}</figcaption>${legend(keys)}<div class="scroll">${trusted(svg)}</div>${numbers === null ? null : html`<details><summary>The numbers of this chart</summary>${numbers}</details>`}</figure>
`;
}

export function legend(keys: readonly Key[]): Markup | null {
  if (keys.length === 0) return null;
  return html`<ul class="legend">${keys.map(({ name, colour, shape }) => html`<li><i class="${shape ?? ''}" style="${trusted(shape === 'hollow' ? `border-color:${colour}` : shape === 'dash' ? '' : `background:${colour}`)}"></i>${name}</li>`)}</ul>`;
}

export const stateKeys = (counts: Readonly<Record<OutcomeState, number>>): readonly Key[] =>
  OUTCOME_STATES.filter((state) => counts[state] > 0).map((state) => ({ name: state, colour: `var(--state-${state})` }));

export const WINNER_KEY: Key = { name: 'winner', colour: 'var(--winner)', shape: 'dot' };
export const DEFAULT_LINE: Key = { name: 'the default variant', colour: 'var(--default)', shape: 'line' };
