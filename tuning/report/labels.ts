/** Short names that tell the problems of a section apart: the family, and only what differs within it. */
import type { ProblemDetail } from './types.js';

type Named = Pick<ProblemDetail, 'family' | 'params' | 'dims' | 'isa' | 'problem'>;

/** One per problem, in order; no two are equal. E.g. `linear_gemv in=2048 out=2560`. */
export function labelsOf(problems: readonly Named[]): readonly string[] {
  const labels = problems.map((problem) => {
    const siblings = problems.filter(({ family }) => family === problem.family);
    const differing = (part: (named: Named) => Readonly<Record<string, string | number>>): string[] =>
      Object.entries(part(problem)).flatMap(([name, value]) => (siblings.some((other) => part(other)[name] !== value) ? [`${name}=${value}`] : []));
    const isa = problems.some((other) => other.problem === problem.problem && other.isa !== problem.isa) ? [problem.isa] : [];
    return [problem.family, ...differing(({ params }) => params), ...differing(({ dims }) => dims), ...isa].join(' ');
  });
  return labels.map((label, i) => (labels.indexOf(label) === i ? label : `${label} (${labels.slice(0, i).filter((other) => other === label).length + 1})`));
}
