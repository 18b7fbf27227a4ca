/** HTML by tagged templates: whatever is put in is escaped, except what another template made. */
import { visibleText } from './format.js';

export interface Markup {
  readonly html: string;
}
export type Content = Markup | string | number | null | undefined | false | readonly Content[];

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text for element contents and quoted attributes. */
export function escapeHtml(text: string): string {
  return visibleText(text).replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}

export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return { html: strings.map((text, i) => text + (i < values.length ? render(values[i]) : '')).join('') };
}

/** Markup that was made and escaped elsewhere. */
export const trusted = (text: string): Markup => ({ html: text });

function render(content: Content): string {
  if (content === null || content === undefined || content === false) return '';
  if (typeof content === 'string') return escapeHtml(content);
  if (typeof content === 'number') return String(content);
  return 'html' in content ? content.html : content.map(render).join('');
}
