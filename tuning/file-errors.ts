import { FileError } from '../runtime/errors.js';

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'it is a directory',
  EMFILE: 'too many files are open',
};

/** A FileError for a failed system call: what was tried, on which path, how many bytes were wanted, and why it failed. */
export function fileErrorFrom(error: unknown, action: string, path: string, bytes?: number): FileError {
  const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
  const reason = REASONS[code] ?? (error instanceof Error ? error.message : String(error));
  const size = bytes === undefined ? '' : ` (${bytes} bytes)`;
  return new FileError(`cannot ${action}: ${path}${size}: ${reason}${code === '' ? '' : ` (${code})`}`, {
    remedy: 'free space or choose a writable directory with --library DIR (or $GRIFFIN_KERNELS_HOME)',
    cause: error,
  });
}
