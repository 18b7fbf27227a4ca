import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseProblemKey } from '../../../tuning/report/problem-key.js';
import { problemKey } from '../../../tuning/types.js';

const name = fc.stringMatching(/^[a-z][a-z_]{0,8}$/);

describe('parseProblemKey', () => {
  it('reads back what problemKey writes', () => {
    const problems = fc.record({ family: name, params: fc.dictionary(name, fc.stringMatching(/^[a-z0-9]{1,6}$/)), dims: fc.dictionary(name, fc.nat()) });
    fc.assert(
      fc.property(problems, (problem) => {
        expect(parseProblemKey(problemKey(problem))).toEqual({ ...problem, params: { ...problem.params }, dims: { ...problem.dims } });
      }),
      { seed: 11 },
    );
  });

  it('is null for anything else', () => {
    for (const text of ['', 'f', 'f[]', 'f[a](b=1)', 'f[a=b](c=x)', 'F[]()', 'f[]()x']) expect(parseProblemKey(text)).toBeNull();
  });
});
