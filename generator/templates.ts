import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import Handlebars from 'handlebars';
import { GeneratorError } from './errors.js';

/**
 * Strict Handlebars: every path that a template mentions must resolve, wherever it stands. Handlebars' own strict mode covers only
 * paths that are printed; arguments of helpers and of `#if` would silently be undefined. Its compiler honours a `strict` mark on any
 * path of the parsed template, so the mark is set on all of them here.
 */

type Template = (view: unknown) => string;
type RawTemplate = (context: unknown, options?: object) => string;

export interface TemplateSet {
  /** The compiled template of that path inside the root, e.g. `cpu/linear_gemv.cc.hbs`. */
  get(path: string): Template;
  /** Names of all partials. */
  readonly partials: readonly string[];
}

/** Overrides for partials, by name: plain text that is inserted as it is. */
export type PartialOverrides = Readonly<Record<string, string>>;

/** `templates/` of this package, whether this file runs from the sources or from `dist/`. */
export function defaultTemplateRoot(): string {
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'templates', 'cpu'))) return join(dir, 'templates');
    if (dirname(dir) === dir) throw new GeneratorError('TEMPLATE', 'no templates/cpu directory above the generator; is the package complete?');
  }
}

/** Reads every partial of a template directory once. Throws a GeneratorError when a file does not parse. */
export function loadTemplates(root: string, overrides: PartialOverrides = {}): TemplateSet {
  const env = Handlebars.create();
  registerHelpers(env);
  const names: string[] = [];
  for (const file of listFiles(root)) {
    const name = partialName(file);
    if (name === undefined) continue;
    if (names.includes(name)) throw new GeneratorError('TEMPLATE', `two files give the partial ${name} in ${root}`);
    names.push(name);
    const override = overrides[name];
    if (override !== undefined || !file.endsWith('.hbs')) {
      const text = override ?? readFileSync(join(root, file), 'utf8');
      env.registerPartial(name, () => text);
    } else {
      env.registerPartial(name, lazy(() => compile(env, file, readFileSync(join(root, file), 'utf8'))));
    }
  }
  const compiled = new Map<string, Template>();
  return {
    partials: names,
    get(path) {
      let template = compiled.get(path);
      if (template === undefined) {
        const file = join(root, path);
        if (!existsSync(file)) throw new GeneratorError('TEMPLATE', `template ${path} does not exist in ${root}`);
        template = compile(env, path, readFileSync(file, 'utf8'));
        compiled.set(path, template);
      }
      return template;
    },
  };
}

/** `cpu/args.h.hbs` → `cpu/args`, `cuda/device.cuh` → `cuda/device`; kernels themselves (`*.cc.hbs`, `*.cu.hbs`) are not partials. */
function partialName(file: string): string | undefined {
  if (/\.(cc|cu)\.hbs$/.test(file)) return undefined;
  const match = /^(.*?)(\.h\.hbs|\.cuh\.hbs|\.hbs|\.h|\.cuh)$/.exec(file);
  return match?.[1];
}

function listFiles(root: string, dir = root): string[] {
  return readdirSync(dir)
    .sort()
    .flatMap((entry) => {
      const path = join(dir, entry);
      return statSync(path).isDirectory() ? listFiles(root, path) : [relative(root, path).split(sep).join('/')];
    });
}

function lazy(make: () => RawTemplate): RawTemplate {
  let template: RawTemplate | undefined;
  return (context, options) => (template ??= make())(context, options);
}

function compile(env: typeof Handlebars, name: string, text: string): RawTemplate {
  let inner: RawTemplate;
  try {
    const ast = Handlebars.parse(text);
    new StrictPaths().accept(ast);
    inner = env.compile(ast, { strict: true, noEscape: true }) as RawTemplate;
  } catch (error) {
    throw new GeneratorError('TEMPLATE', `template ${name} does not parse: ${messageOf(error)}`, { cause: error });
  }
  return (context, options) => {
    try {
      return inner(context, options);
    } catch (error) {
      if (error instanceof GeneratorError) throw error;
      throw new GeneratorError('TEMPLATE', explain(name, error), { cause: error });
    }
  };
}

function explain(template: string, error: unknown): string {
  const message = messageOf(error);
  const unknown = /^"(.+?)" not defined in .* - (\d+):(\d+)$/s.exec(message);
  if (unknown !== null) return `template ${template}, line ${unknown[2]}: unknown variable "${unknown[1]}"`;
  return `template ${template}: ${message}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

class StrictPaths extends Handlebars.Visitor {
  override PathExpression(path: hbs.AST.PathExpression): void {
    (path as { strict?: boolean }).strict = true;
  }
}

function registerHelpers(env: typeof Handlebars): void {
  const integer = (helper: string, value: unknown): number => {
    const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
    if (typeof number !== 'number' || !Number.isSafeInteger(number)) throw new Error(`helper ${helper}: ${String(value)} is not an integer`);
    return number;
  };
  const binary = (name: string, apply: (a: number, b: number) => number | boolean): void => {
    env.registerHelper(name, function (this: unknown, ...args: unknown[]) {
      if (args.length !== 3) throw new Error(`helper ${name} takes two arguments, found ${args.length - 1}`);
      return apply(integer(name, args[0]), integer(name, args[1]));
    });
  };
  binary('add', (a, b) => a + b);
  binary('sub', (a, b) => a - b);
  binary('mul', (a, b) => a * b);
  binary('div', (a, b) => {
    if (b === 0 || a % b !== 0) throw new Error(`helper div: ${a} is not a multiple of ${b}`);
    return a / b;
  });
  binary('lt', (a, b) => a < b);
  env.registerHelper('eq', (a: unknown, b: unknown) => a === b);
  env.registerHelper('ne', (a: unknown, b: unknown) => a !== b);
  env.registerHelper('and', (...args: unknown[]) => args.slice(0, -1).every(Boolean));
  env.registerHelper('or', (...args: unknown[]) => args.slice(0, -1).some(Boolean));
  env.registerHelper('not', (a: unknown) => !a);
  env.registerHelper('concat', (...args: unknown[]) => args.slice(0, -1).map(String).join(''));
  env.registerHelper('repeat', function (this: unknown, count: unknown, options: Handlebars.HelperOptions) {
    const n = integer('repeat', count);
    let text = '';
    for (let index = 0; index < n; index++) {
      const data = Handlebars.createFrame((options.data ?? {}) as object) as Record<string, unknown>;
      Object.assign(data, { index, first: index === 0, last: index === n - 1 });
      text += options.fn(this, { data });
    }
    return text;
  });
}
