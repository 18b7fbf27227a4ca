/** Numbers as people read them. */

export function formatNs(ns: number): string {
  if (ns < 1e4) return `${Math.round(ns)} ns`;
  if (ns < 1e7) return `${(ns / 1e3).toFixed(1)} µs`;
  return `${(ns / 1e6).toFixed(2)} ms`;
}

export function formatSeconds(seconds: number): string {
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  if (seconds < 5400) return `${(seconds / 60).toFixed(1)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1e4) return `${Math.round(bytes)} B`;
  if (bytes < 1e7) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e10 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

export function formatShare(share: number): string {
  return `${(share * 100).toFixed(share !== 0 && Math.abs(share) < 0.0995 ? 1 : 0)} %`;
}

export const formatTimes = (factor: number): string => `${factor.toFixed(2)}×`;

/** An interval of factors, e.g. `1.18–1.24×`. */
export const formatRange = (low: number, high: number): string => `${low.toFixed(2)}–${high.toFixed(2)}×`;

export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ' ');
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** The parts of a kernel id that tell variants of a family apart: `avx2 rows4 ahead2`. */
export function shortKernel(kernelId: string): string {
  return kernelId.split('__').slice(2).join(' ').replaceAll('_', ' ');
}

/**
 * Text from a journal without anything that a terminal, a page or a spreadsheet would act on: control characters and the marks that
 * turn the direction of writing become visible escapes, line ends become one space.
 */
export function visibleText(text: string): string {
  return text
    .replace(/\s*[\r\n]+\s*/g, ' ')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]/g, (character) => `\\u{${character.charCodeAt(0).toString(16)}}`)
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, '\ufffd');
}
