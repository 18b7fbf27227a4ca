import { describe, expect, it } from 'vitest';
import { formatBytes, formatCount, formatSeconds, formatShare, shortKernel, visibleText } from '../../../tuning/report/format.js';
import { html, trusted } from '../../../tuning/report/markup.js';

describe('numbers for people', () => {
  it('have units that fit', () => {
    expect([0.05, 99.94, 600, 90_000].map(formatSeconds)).toEqual(['0.1 s', '99.9 s', '10.0 min', '25.0 h']);
    expect([999, 46_137_344, 2.5e10].map(formatBytes)).toEqual(['999 B', '46.1 MB', '25.00 GB']);
    expect([0, 0.004, 0.62, 1.05].map(formatShare)).toEqual(['0 %', '0.4 %', '62 %', '105 %']);
    expect([7, 1234567].map(formatCount)).toEqual(['7', '1 234 567']);
    expect(shortKernel('linear_gemv__bf16__avx2__rows4_ahead2')).toBe('avx2 rows4 ahead2');
  });
});

describe('text from journals', () => {
  it('keeps no character that a page or a terminal would act on', () => {
    expect(visibleText('a\u0001\u001b[31m\u202eb\n  c\ud800')).toBe('a\\u{1}\\u{1b}[31m\\u{202e}b c\ufffd');
  });

  it('is escaped in markup, in text and in attributes, and only once', () => {
    const name = '<script>alert("x")</script> & \'y\'';
    const inner = html`<b title="${name}">${name}</b>`;
    const escaped = '&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;y&#39;';
    expect(html`<p>${inner}${[1, null, false, undefined, 'z']}${trusted('<i>')}</p>`.html).toBe(`<p><b title="${escaped}">${escaped}</b>1z<i></p>`);
  });
});
