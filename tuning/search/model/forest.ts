/**
 * A bagged ensemble of regression trees over points with small whole-number digits (the index of an axis' value). A split asks either
 * whether a digit is at most a value (an ordered axis) or whether it is exactly a value (an axis of kinds), whichever divides better, so
 * that axes need no encoding. Source: Breiman, "Random Forests" (2001); the spread between trees as uncertainty as in SMAC (Hutter et al., 2011).
 */

export interface ForestData {
  /** One row per example, `width` digits each, one after another. */
  readonly digits: Int32Array;
  readonly width: number;
  /** Digits of a column are below this. */
  readonly sizes: readonly number[];
  readonly targets: Float64Array;
  /** How much an example counts; positive. */
  readonly weights: Float64Array;
}

export interface ForestOptions {
  readonly trees: number;
  /** Fewest examples of a leaf. */
  readonly leaf: number;
  /** Share of the columns that a split may choose from. */
  readonly columns: number;
  readonly random: () => number;
}

export interface Prediction {
  mean: number;
  /** Standard deviation between the trees. */
  spread: number;
}

export interface Forest {
  /** For one row of `width` digits at `offset`. Writes into `into` and returns it. */
  predict(digits: Int32Array, offset: number, into: Prediction): Prediction;
}

/** Nodes as arrays: the column of a split, its value (`value` for "at most", `-value - 1` for "exactly"), the children, a leaf's mean. */
interface Tree {
  readonly column: number[];
  readonly value: number[];
  readonly left: number[];
  readonly right: number[];
  readonly mean: number[];
}

export function fitForest(data: ForestData, options: ForestOptions): Forest {
  const trees = Array.from({ length: options.trees }, () => fitTree(data, options));
  return {
    predict(digits, offset, into) {
      let sum = 0;
      let squares = 0;
      for (const tree of trees) {
        let node = 0;
        for (let column = tree.column[0]!; column >= 0; column = tree.column[node]!) {
          const digit = digits[offset + column]!;
          const value = tree.value[node]!;
          node = (value >= 0 ? digit <= value : digit === -value - 1) ? tree.left[node]! : tree.right[node]!;
        }
        const mean = tree.mean[node]!;
        sum += mean;
        squares += mean * mean;
      }
      into.mean = sum / trees.length;
      into.spread = Math.sqrt(Math.max(0, squares / trees.length - into.mean * into.mean));
      return into;
    },
  };
}

function fitTree(data: ForestData, options: ForestOptions): Tree {
  const { targets, weights, random } = { ...data, random: options.random };
  const count = targets.length;
  // A bootstrap sample, kept as how often each example was drawn, times its weight.
  const drawn = new Float64Array(count);
  for (let i = 0; i < count; i++) drawn[Math.floor(random() * count)]! += 1;
  const members: number[] = [];
  for (let i = 0; i < count; i++) {
    if (drawn[i]! > 0) members.push(i);
    drawn[i]! *= weights[i]!;
  }
  const tree: Tree = { column: [], value: [], left: [], right: [], mean: [] };
  const widest = Math.max(1, ...data.sizes);
  const scratch = { weight: new Float64Array(widest), sum: new Float64Array(widest), examples: new Int32Array(widest) };
  grow(tree, members, drawn, data, options, scratch);
  return tree;
}

type Scratch = { readonly weight: Float64Array; readonly sum: Float64Array; readonly examples: Int32Array };

/** Adds the subtree of `members` and returns its node. */
function grow(tree: Tree, members: readonly number[], drawn: Float64Array, data: ForestData, options: ForestOptions, scratch: Scratch): number {
  const node = tree.column.length;
  let weight = 0;
  let sum = 0;
  for (const i of members) {
    weight += drawn[i]!;
    sum += drawn[i]! * data.targets[i]!;
  }
  tree.column.push(-1);
  tree.value.push(0);
  tree.left.push(-1);
  tree.right.push(-1);
  tree.mean.push(weight > 0 ? sum / weight : 0);
  if (members.length < 2 * options.leaf) return node;
  const split = bestSplit(members, drawn, data, options, scratch, weight, sum);
  if (split === null) return node;
  const { column, value } = split;
  const goesLeft = (i: number): boolean => {
    const digit = data.digits[i * data.width + column]!;
    return value >= 0 ? digit <= value : digit === -value - 1;
  };
  const left = grow(tree, members.filter(goesLeft), drawn, data, options, scratch);
  const right = grow(tree, members.filter((i) => !goesLeft(i)), drawn, data, options, scratch);
  tree.column[node] = column;
  tree.value[node] = value;
  tree.left[node] = left;
  tree.right[node] = right;
  return node;
}

/** The split that takes most from the squared error, among a random choice of columns; null when none takes any. */
function bestSplit(
  members: readonly number[], drawn: Float64Array, data: ForestData, options: ForestOptions, scratch: Scratch, weight: number, sum: number,
): { readonly column: number; readonly value: number } | null {
  const { weight: weights, sum: sums, examples } = scratch;
  const whole = (sum * sum) / weight;
  let best = whole + 1e-12;
  let found: { column: number; value: number } | null = null;
  const consider = (column: number, value: number, w: number, s: number, n: number): void => {
    if (n < options.leaf || members.length - n < options.leaf || w <= 0 || weight - w <= 0) return;
    const score = (s * s) / w + ((sum - s) * (sum - s)) / (weight - w);
    if (score > best) {
      best = score;
      found = { column, value };
    }
  };
  for (let column = 0; column < data.width; column++) {
    const size = data.sizes[column]!;
    if (size < 2 || options.random() > options.columns) continue;
    weights.fill(0, 0, size);
    sums.fill(0, 0, size);
    examples.fill(0, 0, size);
    for (const i of members) {
      const digit = data.digits[i * data.width + column]!;
      weights[digit]! += drawn[i]!;
      sums[digit]! += drawn[i]! * data.targets[i]!;
      examples[digit]! += 1;
    }
    let [w, s, n] = [0, 0, 0];
    for (let digit = 0; digit + 1 < size; digit++) {
      w += weights[digit]!;
      s += sums[digit]!;
      n += examples[digit]!;
      consider(column, digit, w, s, n);
    }
    for (let digit = 1; digit + 1 < size; digit++) consider(column, -digit - 1, weights[digit]!, sums[digit]!, examples[digit]!);
  }
  return found;
}
