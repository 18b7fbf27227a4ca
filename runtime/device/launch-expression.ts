import { LibraryError } from '../errors.js';

/**
 * The launch expressions of a kernel's description (docs/cuda.md): exact integer arithmetic over named values.
 *
 *     sum     = product { ("+" | "-") product }
 *     product = operand { ("*" | "/" | "%") operand }
 *     operand = digits | name | ("ceilDiv" | "min" | "max") "(" sum { "," sum } ")" | "(" sum ")"
 *
 * Division rounds down (towards minus infinity) and `a % b` is `a - b * (a / b)`.
 */
export interface LaunchExpression {
  readonly text: string;
  /** The names that it uses, each once, in order of appearance. */
  readonly names: readonly string[];
  /**
   * Its value. Throws LibraryError, with the position in the text, for a name without a value, a division by zero, or a result that is
   * not a safe integer.
   */
  evaluate(values: Readonly<Record<string, number>>): number;
}

type Node = (values: Readonly<Record<string, number>>) => bigint;
interface Token {
  readonly kind: 'number' | 'name' | 'symbol' | 'end';
  readonly text: string;
  readonly at: number;
}

const TOKEN = /\s*(?:(\d+)|([A-Za-z_]\w*)|([-+*/%(),]))/y;
const REMEDY = 'npm run build:kernels, or tune again if the file is of a tuned library';

function failure(text: string, at: number, what: string): LibraryError {
  return new LibraryError(`launch expression \`${text}\`: ${what} at position ${at}`, { remedy: REMEDY });
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const from = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (found === null) {
      const at = from + (/\S/.exec(text.slice(from))?.index ?? 0);
      throw failure(text, at, `unexpected \`${text[at]}\``);
    }
    const [, digits, name, symbol] = found;
    const word = digits ?? name ?? symbol ?? '';
    tokens.push({ kind: digits !== undefined ? 'number' : name !== undefined ? 'name' : 'symbol', text: word, at: TOKEN.lastIndex - word.length });
  }
  tokens.push({ kind: 'end', text: 'the end', at: text.length });
  return tokens;
}

/** a / b rounded down. */
function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient;
}

/** Parses an expression. Throws LibraryError with the position of what is wrong. */
export function parseLaunchExpression(text: string): LaunchExpression {
  const tokens = tokensOf(text);
  const names = new Set<string>();
  let next = 0;
  const peek = (): Token => tokens[next] as Token;
  const take = (): Token => tokens[next++] as Token;
  const at = (symbol: string): boolean => peek().kind === 'symbol' && peek().text === symbol;
  const unexpected = (expected: string): LibraryError => failure(text, peek().at, `expected ${expected}, found \`${peek().text}\``);
  const expect = (symbol: string): void => {
    if (!at(symbol)) throw unexpected(`\`${symbol}\``);
    next++;
  };

  const divisor = (value: bigint, position: number): bigint => {
    if (value === 0n) throw failure(text, position, 'division by zero');
    return value;
  };

  function call(name: Token): Node {
    expect('(');
    const args = [sum()];
    while (at(',')) {
      next++;
      args.push(sum());
    }
    expect(')');
    const [first, second] = args as [Node, Node];
    if (name.text === 'ceilDiv') {
      if (args.length !== 2) throw failure(text, name.at, `ceilDiv takes two arguments, found ${args.length}`);
      return (values) => -floorDivide(-first(values), divisor(second(values), name.at));
    }
    const better = name.text === 'min' ? (a: bigint, b: bigint): boolean => a < b : (a: bigint, b: bigint): boolean => a > b;
    return (values) => args.map((arg) => arg(values)).reduce((best, value) => (better(value, best) ? value : best));
  }

  function operand(): Node {
    const token = peek();
    if (token.kind === 'number') {
      const value = BigInt(take().text);
      return () => value;
    }
    if (token.kind === 'name') {
      next++;
      if (token.text === 'ceilDiv' || token.text === 'min' || token.text === 'max') return call(token);
      if (at('(')) throw failure(text, token.at, `unknown function ${token.text}, known: ceilDiv, min, max,`);
      names.add(token.text);
      return (values) => {
        const value = Object.hasOwn(values, token.text) ? values[token.text] : undefined;
        if (value === undefined) throw failure(text, token.at, `no value for ${token.text}`);
        if (!Number.isSafeInteger(value)) throw failure(text, token.at, `${token.text} must be a safe integer, found ${value},`);
        return BigInt(value);
      };
    }
    if (!at('(')) throw unexpected('a number, a name or `(`');
    next++;
    const inner = sum();
    expect(')');
    return inner;
  }

  function product(): Node {
    let left = operand();
    while (at('*') || at('/') || at('%')) {
      const { text: symbol, at: position } = take();
      const [a, b] = [left, operand()];
      if (symbol === '*') left = (values) => a(values) * b(values);
      else if (symbol === '/') left = (values) => floorDivide(a(values), divisor(b(values), position));
      else {
        left = (values) => {
          const [dividend, by] = [a(values), divisor(b(values), position)];
          return dividend - by * floorDivide(dividend, by);
        };
      }
    }
    return left;
  }

  function sum(): Node {
    let left = product();
    while (at('+') || at('-')) {
      const { text: symbol } = take();
      const [a, b] = [left, product()];
      left = symbol === '+' ? (values) => a(values) + b(values) : (values) => a(values) - b(values);
    }
    return left;
  }

  const root = sum();
  if (peek().kind !== 'end') throw unexpected('an operator or the end');
  return {
    text,
    names: [...names],
    evaluate(values) {
      const exact = root(values);
      const value = Number(exact);
      if (!Number.isSafeInteger(value)) throw failure(text, 0, `the result ${exact} is not a safe integer, expression`);
      return value;
    },
  };
}
