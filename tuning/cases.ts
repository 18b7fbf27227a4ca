/** Verification cases with their oracle results, computed once and used for every candidate. */
import type { Family, Problem, ReferenceOutput } from '../generator/types.js';
import { encodeTensor } from '../generator/families/common.js';
import { seededRandom } from './statistics.js';
import { problemKey } from './types.js';

export interface VerificationCase {
  readonly problem: Problem;
  readonly seed: number;
  /** Bytes of every tensor before the launch, in declared order: null for absent tensors and for outputs. */
  readonly inputs: readonly (Uint8Array<ArrayBuffer> | null)[];
  /** Whether the tensor exists in this case, in declared order. */
  readonly present: readonly boolean[];
  readonly expected: Readonly<Record<string, ReferenceOutput>>;
}

export interface CaseStore {
  get(family: Family, problem: Problem, seed: number): VerificationCase;
}

/** Cases are kept up to `limitBytes` of inputs and expectations, oldest dropped first. */
export function createCaseStore(limitBytes = 512 * 2 ** 20): CaseStore {
  const cases = new Map<string, { value: VerificationCase; bytes: number }>();
  let total = 0;
  return {
    get(family, problem, seed) {
      const key = `${problemKey(problem)} #${seed}`;
      const known = cases.get(key);
      if (known !== undefined) return known.value;
      const value = makeCase(family, problem, seed);
      const bytes = caseBytes(value);
      cases.set(key, { value, bytes });
      total += bytes;
      for (const [oldest, entry] of cases) {
        if (total <= limitBytes || oldest === key) break;
        cases.delete(oldest);
        total -= entry.bytes;
      }
      return value;
    },
  };
}

function makeCase(family: Family, problem: Problem, seed: number): VerificationCase {
  const values = family.makeInputs(problem, seededRandom(seed));
  const expected = family.reference(problem, values);
  const inputs = family.tensors.map((tensor) => {
    const contents = values[tensor.name];
    return tensor.role === 'output' || contents === undefined || contents === null ? null : encodeTensor(contents, tensor.dtype(problem.params));
  });
  const present = family.tensors.map((tensor, i) => tensor.role === 'output' || inputs[i] !== null);
  return { problem, seed, inputs, present, expected };
}

function caseBytes(value: VerificationCase): number {
  const inputs = value.inputs.reduce((sum, bytes) => sum + (bytes?.length ?? 0), 0);
  return Object.values(value.expected).reduce((sum, output) => sum + 2 * output.values.byteLength, inputs);
}
