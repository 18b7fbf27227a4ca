import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderCommandDocs } from '../../cli/docs.js';
import { buildProgram } from '../../cli/main.js';
import { packageRoot } from '../../runtime/paths.js';

describe('docs/cli.md', () => {
  it('is what the commands say (else: npm run build:ts && node scripts/cli-docs.mjs)', () => {
    expect(readFileSync(join(packageRoot(), 'docs/cli.md'), 'utf8')).toBe(renderCommandDocs(buildProgram()));
  });

  it('describes every command and every option', () => {
    const text = renderCommandDocs(buildProgram());
    for (const command of buildProgram().commands.flatMap((child) => (child.commands.length > 0 ? child.commands : [child]))) {
      expect(text).toContain(command.name());
      expect(command.description(), command.name()).not.toBe('');
      for (const option of command.options) expect(option.description, `${command.name()} ${option.flags}`).not.toBe('');
    }
  });
});
