/**
 * Typed errors. Every message says what was wrong, what was found, what was expected, and, where there is one, the command to run
 * next. `code` is stable and meant for programs; the command line maps errors to exit code 1 (or 2 for usage).
 */

export type ErrorCode =
  | 'USAGE' // an option or argument is wrong
  | 'FILE' // a file is missing, unreadable, truncated or cannot be written
  | 'CHECKPOINT' // a checkpoint contradicts itself, its config or the supported architectures
  | 'TOKENIZER' // tokenizer files are missing or unsupported
  | 'DEVICE' // the device or its memory failed
  | 'ADDON' // the native addon is missing or cannot be loaded
  | 'LIBRARY' // the kernel library is missing, corrupt, stale or foreign
  | 'COMPILER' // no compiler, or a kernel does not compile
  | 'TUNE' // tuning cannot go on
  | 'ABORTED'; // stopped by the caller

export class GriffinError extends Error {
  override readonly name: string = 'GriffinError';
  readonly code: ErrorCode;
  /** The command or change that mends it, if there is one. */
  readonly remedy: string | undefined;

  constructor(code: ErrorCode, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(options.remedy === undefined ? message : `${message}\n  try: ${options.remedy}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy;
  }
}

function kind(code: ErrorCode, name: string) {
  return class extends GriffinError {
    override readonly name = name;
    constructor(message: string, options: { remedy?: string; cause?: unknown } = {}) {
      super(code, message, options);
    }
  };
}

export class UsageError extends kind('USAGE', 'UsageError') {}
export class FileError extends kind('FILE', 'FileError') {}
export class CheckpointError extends kind('CHECKPOINT', 'CheckpointError') {}
export class TokenizerError extends kind('TOKENIZER', 'TokenizerError') {}
export class DeviceError extends kind('DEVICE', 'DeviceError') {}
export class AddonError extends kind('ADDON', 'AddonError') {}
export class LibraryError extends kind('LIBRARY', 'LibraryError') {}
export class CompilerError extends kind('COMPILER', 'CompilerError') {}
export class TuneError extends kind('TUNE', 'TuneError') {}
export class AbortedError extends kind('ABORTED', 'AbortedError') {}
