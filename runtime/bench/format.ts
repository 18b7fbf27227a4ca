/** Numbers as people read them. */

const SI_BYTES = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** Decimal units with three significant digits: `1.23 GB`. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 999.5 && unit < SI_BYTES.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? String(Math.round(value)) : significant(value, 3)} ${SI_BYTES[unit] ?? 'B'}`;
}

/** `12.3`, `0.0123`, `1234`: `digits` significant digits without exponents, integers kept whole. */
export function significant(value: number, digits: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value === 0) return '0';
  // Round first: 99.96 at three digits is 100, one place wider.
  const magnitude = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(digits)))));
  return value.toFixed(Math.min(12, Math.max(0, digits - 1 - magnitude)));
}

/** `93.1 %`, or `–` when there is no number. */
export function percent(share: number | null, decimals = 1): string {
  return share === null || !Number.isFinite(share) ? '–' : `${(share * 100).toFixed(decimals)} %`;
}

/** `1.41×` */
export function times(factor: number | null): string {
  return factor === null || !Number.isFinite(factor) ? '–' : `${factor.toFixed(2)}×`;
}

/** `1.41× ±0.02` */
export function timesWithSpread(ratio: { readonly median: number; readonly mad: number } | null): string {
  return ratio === null ? '–' : `${times(ratio.median)} ±${ratio.mad.toFixed(2)}`;
}

/** `12.3 ± 0.2` from a median and a median absolute deviation. */
export function withSpread(spread: { readonly median: number; readonly mad: number }, scale = 1): string {
  return `${significant(spread.median * scale, 4)} ± ${significant(spread.mad * scale, 2)}`;
}
