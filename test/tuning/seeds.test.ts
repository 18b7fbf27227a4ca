import { describe, expect, it } from 'vitest';
import { foldJournal } from '../../tuning/journal/evidence.js';
import { createProblemState } from '../../tuning/problem-state.js';
import { seedsFor } from '../../tuning/seeds.js';
import { failed, measured } from './journal/support.js';
import { MODES, toyFamily, toyProblem } from './support/toy-family.js';

const id = (mode: number): string => `toy_scale__any__portable__mode${mode}`;
const state = createProblemState({ problem: toyProblem, label: 'toy', callsPerToken: 1, callsPerChunk: 0 }, toyFamily, 'portable', { seed: 0, strategy: 'random', effort: 'normal' });
const modes = (lines: Parameters<typeof foldJournal>[0]): (number | undefined)[] => seedsFor(state, foldJournal(lines)).map(({ axes }) => axes['mode']);

describe('seedsFor', () => {
  it('takes what beat the default at other shapes and on other devices, best first', () => {
    const lines = [
      measured('r', 1, id(MODES.faster), [8, 8, 8], { problem: 'toy_scale[](n=9,rows=1)' }),
      measured('r', 2, id(MODES.goodAgain), [6, 6, 6], { problem: 'toy_scale[](n=9,rows=1)', deviceKey: 'another' }),
    ];
    expect(modes(lines)).toEqual([MODES.goodAgain, MODES.faster]);
  });

  it('leaves out what was slower than the default, failed, belongs to another form, or does not exist', () => {
    const lines = [
      measured('r', 1, id(MODES.hopelesslySlow), [30, 30, 30]),
      failed('r', 2, id(MODES.segfaults), 'crashed'),
      measured('r', 3, 'toy_scale__any__avx2__mode1', [5]),
      measured('r', 4, id(99), [5]),
    ];
    expect(modes(lines)).toEqual([]);
  });

  it('takes two of a problem and six in all at most', () => {
    const line = (problem: number, mode: number, ns: number) => measured(`r${problem}`, mode, id(mode), [ns], { problem: `toy_scale[](n=${problem},rows=1)` });
    expect(modes([line(1, 1, 5), line(1, 2, 6), line(1, 3, 7)])).toEqual([1, 2]);
    expect(modes([0, 1, 2, 3, 4].flatMap((problem) => [line(problem, 2 * problem, 5), line(problem, 2 * problem + 1, 6)]))).toHaveLength(6);
  });
});
