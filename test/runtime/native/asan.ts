import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';

import { packageRoot } from '../../../runtime/paths.js';
import { type ChildOptions, type ChildResult, runChild } from './child.js';

/** The address sanitizer's run-time library, which must be loaded before everything else; undefined where it is not installed. */
function sanitizerLibrary(): string | undefined {
  try {
    const path = execFileSync(process.env['CXX'] ?? 'c++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
    return isAbsolute(path) && existsSync(path) ? path : undefined; // a name that comes back as it went in was not found
  } catch {
    return undefined;
  }
}

/** Why tests cannot run under the address sanitizer here, or undefined when they can. */
export function asanMissing(): string | undefined {
  return sanitizerLibrary() === undefined ? 'libasan.so is not installed (Debian: comes with g++)' : undefined;
}

/**
 * Runs a TypeScript file in a Node process whose addon is built with the address and undefined-behaviour sanitizers. The build is
 * made first when it is missing or stale (about a minute; call `buildAsanAddon` in a hook with a long time limit). A memory error
 * ends the child with exit code 99 and a report on standard error.
 */
export async function runUnderAsan(script: string, args: readonly string[] = [], options: ChildOptions = {}): Promise<ChildResult> {
  buildAsanAddon();
  return runChild(script, args, {
    ...options,
    environment: {
      LD_PRELOAD: sanitizerLibrary() ?? '',
      // Node leaks on purpose at exit. Allocations that fail must come back as errors, as they do without the sanitizer.
      ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1:exitcode=99:abort_on_error=0',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1:exitcode=99',
      GRIFFIN_ADDON: join(packageRoot(), 'build', 'addon-asan', 'Release', 'griffin.node'),
      ...options.environment,
    },
  });
}

/** Builds the sanitizer variant of the addon unless it is up to date. */
export function buildAsanAddon(): void {
  execFileSync(process.execPath, [join(packageRoot(), 'scripts', 'build-addon.mjs'), '--sanitize'], { stdio: 'pipe' });
}
