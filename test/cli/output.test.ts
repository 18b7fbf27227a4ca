import { afterEach, describe, expect, it, vi } from 'vitest';
import { statusLine, warnBriefly } from '../../cli/output.js';

afterEach(() => vi.restoreAllMocks());

describe('warnBriefly', () => {
  it('shows the first three of many and counts the rest', () => {
    const lines: string[] = [];
    vi.spyOn(process.stderr, 'write').mockImplementation((text) => lines.push(String(text)) > 0);
    const warnings = warnBriefly();
    for (let i = 1; i <= 5; i++) warnings.add(`w${i}`);
    warnings.end();
    expect(lines).toEqual(['warning: w1\n', 'warning: w2\n', 'warning: w3\n', expect.stringMatching(/and 2 more/)]);
  });
});

describe('statusLine', () => {
  const fake = (isTTY: boolean) => {
    const written: string[] = [];
    return { written, stream: { isTTY, columns: 10, write: (text: string) => written.push(text) > 0 } as unknown as NodeJS.WriteStream };
  };

  it('is silent where there is no terminal', () => {
    const { written, stream } = fake(false);
    const status = statusLine(stream);
    status.update('working');
    status.clear();
    expect(written).toEqual([]);
  });

  it('overwrites one line, cut to the width, and clears it once', () => {
    const { written, stream } = fake(true);
    const status = statusLine(stream);
    status.update('a long text that does not fit');
    status.clear();
    status.clear();
    expect(written).toEqual(['\r\u001b[2Ka long te', '\r\u001b[2K']);
  });
});
