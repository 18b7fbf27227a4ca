/** Expert lists as they occur: ascending, no duplicates. */

export type IndexPattern = 'uniform' | 'clustered';

/**
 * k ascending indices below `count`. `uniform` draws every subset alike; `clustered` draws runs of neighbours (4 to 32 long), as trained
 * models show where related neurons sit together: it is kinder to prefetchers, so a variant must not live on one of the two.
 */
export function indexList(count: number, k: number, pattern: IndexPattern, random: () => number): Int32Array {
  if (k < 0 || k > count) throw new RangeError(`cannot choose ${k} of ${count} indices`);
  if (pattern === 'uniform') return uniform(count, k, random);
  const chosen = new Uint8Array(count);
  let left = k;
  while (left > 0) {
    const start = Math.floor(random() * count);
    const length = 4 + Math.floor(random() * 29);
    for (let i = start; i < Math.min(count, start + length) && left > 0; i++) {
      if (chosen[i] === 1) continue;
      chosen[i] = 1;
      left--;
    }
  }
  return Int32Array.from(indicesOf(chosen, k));
}

/** Selection sampling (Knuth, TAOCP 2, algorithm S): one pass, ascending, every subset equally likely. */
function uniform(count: number, k: number, random: () => number): Int32Array {
  const result = new Int32Array(k);
  let taken = 0;
  for (let i = 0; i < count && taken < k; i++) {
    if (random() * (count - i) < k - taken) result[taken++] = i;
  }
  return result;
}

function indicesOf(chosen: Uint8Array, k: number): Int32Array {
  const result = new Int32Array(k);
  let at = 0;
  chosen.forEach((set, index) => {
    if (set === 1) result[at++] = index;
  });
  return result;
}
