import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createStopFilter } from '../../../runtime/generate/stop.js';

function run(stops: readonly string[], pieces: readonly string[]): { text: string; stopped: boolean; shown: string[] } {
  const filter = createStopFilter(stops);
  const shown: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = filter.push(piece);
    shown.push(text);
    if (stopped) return { text: shown.join(''), stopped, shown };
  }
  shown.push(filter.flush());
  return { text: shown.join(''), stopped: false, shown };
}

describe('createStopFilter', () => {
  it('passes text through at once when nothing can match', () => {
    expect(run(['END'], ['ab', 'cd'])).toEqual({ text: 'abcd', stopped: false, shown: ['ab', 'cd', ''] });
    expect(run([], ['ab'])).toEqual({ text: 'ab', stopped: false, shown: ['ab', ''] });
  });

  it('stops inside a piece and drops the rest', () => {
    expect(run(['\n'], ['one\ntwo'])).toMatchObject({ text: 'one', stopped: true });
  });

  it('finds a stop text that spans three pieces, and shows no part of it', () => {
    expect(run(['</end>'], ['text</', 'en', 'd>more'])).toEqual({ text: 'text', stopped: true, shown: ['text', '', ''] });
  });

  it('releases what was held back once it cannot match', () => {
    expect(run(['</end>'], ['a</', 'b'])).toEqual({ text: 'a</b', stopped: false, shown: ['a', '</b', ''] });
  });

  it('releases what was held back at the end of the stream', () => {
    expect(run(['</end>'], ['a</e'])).toEqual({ text: 'a</e', stopped: false, shown: ['a', '</e'] });
  });

  it('agrees with a search over the whole text for any cut into pieces', () => {
    const letter = fc.constantFrom('a', 'b', 'c');
    const word = (max: number) => fc.array(letter, { minLength: 1, maxLength: max }).map((l) => l.join(''));
    fc.assert(
      fc.property(fc.array(word(4), { minLength: 1, maxLength: 3 }), fc.array(word(5), { maxLength: 12 }), (stops, pieces) => {
        const whole = pieces.join('');
        // A one-pass filter stops at the first piece that completes a match; among matches complete by then it takes the earliest start.
        let seen = '';
        let expected = whole;
        let stopped = false;
        for (const piece of pieces) {
          seen += piece;
          const starts = stops.map((s) => seen.indexOf(s)).filter((at) => at >= 0);
          if (starts.length > 0) {
            expected = seen.slice(0, Math.min(...starts));
            stopped = true;
            break;
          }
        }
        const actual = run(stops, pieces);
        expect({ text: actual.text, stopped: actual.stopped }).toEqual({ text: expected, stopped });
      }),
      { seed: 11, numRuns: 500 },
    );
  });
});
