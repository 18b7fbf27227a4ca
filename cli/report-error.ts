import { CommanderError } from 'commander';
import { GriffinError } from '../runtime/errors.js';
import { jsonPrinted, printJson } from './output.js';

/** 2 for wrong usage, 130 for a clean stop after an interrupt, 1 for everything else. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return 2;
  if (!(error instanceof GriffinError)) return 1;
  if (error.code === 'USAGE') return 2;
  return error.code === 'ABORTED' ? 130 : 1;
}

/** What `--json` prints instead of a result. */
export interface ErrorObject {
  readonly error: { readonly code: string; readonly name: string; readonly message: string; readonly remedy?: string };
}

export function errorObject(error: unknown): ErrorObject {
  if (error instanceof CommanderError) {
    return { error: { code: 'USAGE', name: 'UsageError', message: error.message.replace(/^error: /, '') } };
  }
  if (error instanceof GriffinError) {
    const message = error.message.replace(/\n {2}try: [^]*$/, '');
    const remedy = error.remedy === undefined ? {} : { remedy: error.remedy };
    return { error: { code: error.code, name: error.name, message, ...remedy } };
  }
  return { error: { code: 'INTERNAL', name: error instanceof Error ? error.name : 'Error', message: error instanceof Error ? error.message : String(error) } };
}

/** Message (and remedy) on standard error; with `json` also one object on standard output. `quiet`: the message is already out. */
export function reportError(error: unknown, options: { readonly json: boolean; readonly quiet: boolean }): void {
  if (options.json && !jsonPrinted()) printJson(errorObject(error));
  if (options.quiet) return;
  const debug = (process.env['DEBUG'] ?? '').split(/[\s,]+/).includes('griffin');
  if (error instanceof GriffinError) {
    process.stderr.write(`griffin: ${error.message}\n`);
    if (debug) process.stderr.write(`${error.stack ?? ''}\n${error.cause === undefined ? '' : `cause: ${causeText(error.cause)}\n`}`);
    return;
  }
  const absent = absentPackage(error);
  if (absent !== null) {
    process.stderr.write(`griffin: this command needs the npm package ${absent}, which is not here: the self-contained bundle leaves out what only a checkout needs\n  try: npm ci && npm run build in a checkout\n`);
    return;
  }
  // Not one of ours: a defect, so the stack is worth showing.
  process.stderr.write(`griffin: unexpected ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
}

/** The package that an import did not find, or null for any other error. */
function absentPackage(error: unknown): string | null {
  if ((error as NodeJS.ErrnoException | null)?.code !== 'ERR_MODULE_NOT_FOUND') return null;
  return /Cannot find package '([^']+)'/.exec((error as Error).message)?.[1] ?? null;
}

function causeText(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}
