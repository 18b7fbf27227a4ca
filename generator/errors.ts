/**
 * Errors of the generator room. It is pure and imports nothing from `runtime/`, so it has its own small class; the command line and
 * the tuner turn it into the runtime's typed errors.
 */

export type GeneratorErrorCode =
  | 'ID' // a kernel or form id is malformed or names something unknown
  | 'VARIANT' // a variant lies outside its space or violates a constraint
  | 'TEMPLATE'; // a template is missing, does not parse, or uses an unknown variable

export class GeneratorError extends Error {
  override readonly name = 'GeneratorError';
  readonly code: GeneratorErrorCode;
  constructor(code: GeneratorErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
  }
}
