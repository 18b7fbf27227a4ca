import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { errorObject, exitCodeOf } from '../../cli/report-error.js';
import { AbortedError, FileError, UsageError } from '../../runtime/errors.js';

describe('exitCodeOf', () => {
  it.each([
    [new UsageError('x'), 2],
    [new CommanderError(1, 'commander.unknownOption', 'x'), 2],
    [new AbortedError('x'), 130],
    [new FileError('x'), 1],
    [new TypeError('x'), 1],
    ['text', 1],
  ])('%s ends in %d', (error, code) => expect(exitCodeOf(error)).toBe(code));
});

describe('errorObject', () => {
  it('keeps message and remedy apart', () => {
    expect(errorObject(new FileError('no such file\nsecond line', { remedy: 'look again' }))).toEqual({
      error: { code: 'FILE', name: 'FileError', message: 'no such file\nsecond line', remedy: 'look again' },
    });
  });
  it('has no remedy where there is none', () => expect(errorObject(new UsageError('x')).error).not.toHaveProperty('remedy'));
  it('calls anything else internal', () => expect(errorObject(new TypeError('oops')).error).toMatchObject({ code: 'INTERNAL', message: 'oops' }));
});
