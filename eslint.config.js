import js from '@eslint/js';
import { createNodeResolver, importX } from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

// The arrows between rooms (docs/design.md): who must not import whom, and why.
const arrow = (target, from, message) => ({ target: `./${target}`, from: from.map((folder) => `./${folder}`), message });
const zones = [
  arrow('generator', ['runtime', 'tuning', 'generated', 'cli', 'test'], 'The generator is pure: it describes and renders kernels and knows no device, tuner or command line.'),
  arrow('runtime', ['generator', 'tuning', 'cli', 'test'], 'The runtime launches what is in the library; it never generates or tunes.'),
  arrow('tuning', ['cli', 'test'], 'The tuner is a library of its own; the command line calls it, not the other way round.'),
  arrow('cli', ['test'], 'Tests import the product, never the other way round.'),
];

export default tseslint.config(
  { ignores: ['dist/**', 'build/**', 'generated/**', 'node_modules/**', 'models/**', 'coverage/**', '**/*.mjs'] },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    files: ['**/*.ts'],
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: {
      'import-x/resolver-next': [createNodeResolver({ extensions: ['.ts', '.js'], extensionAlias: { '.js': ['.ts', '.js'] } })],
      'import-x/extensions': ['.ts', '.js'],
    },
    rules: {
      'import-x/no-restricted-paths': ['error', { zones }],
      // A promise that nobody waits for loses its error.
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { arguments: false } }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      'no-restricted-syntax': ['error', { selector: 'ExportDefaultDeclaration', message: 'Named exports only: a name is a specification.' }],
      'no-control-regex': 'off',
      eqeqeq: 'error',
      'max-lines': ['error', 420],
    },
  },
  {
    // Tools read a default export from their configuration files.
    files: ['*.config.ts', '*.config.js'],
    rules: { 'no-restricted-syntax': 'off' },
    languageOptions: { globals: { process: 'readonly' } },
  },
);
