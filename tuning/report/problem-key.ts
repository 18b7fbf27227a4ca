/** The reverse of `problemKey`. */
import type { Problem } from '../../generator/types.js';

const KEY = /^([a-z][a-z0-9_]*)\[([^\]]*)\]\(([^)]*)\)$/;

/** The problem that a key names, or null when the text is none. */
export function parseProblemKey(text: string): Problem | null {
  const match = KEY.exec(text);
  if (match === null) return null;
  const params = pairs(match[2] ?? '');
  const sizes = pairs(match[3] ?? '');
  if (params === null || sizes === null) return null;
  const dims = Object.fromEntries(Object.entries(sizes).map(([name, value]) => [name, Number(value)]));
  if (Object.values(dims).some((value) => !Number.isFinite(value))) return null;
  return { family: match[1] ?? '', params, dims };
}

function pairs(text: string): Record<string, string> | null {
  if (text === '') return {};
  const entries = text.split(',').map((part) => /^([^=]+)=(.+)$/.exec(part));
  return entries.some((entry) => entry === null) ? null : Object.fromEntries(entries.map((entry) => [entry?.[1] ?? '', entry?.[2] ?? '']));
}
