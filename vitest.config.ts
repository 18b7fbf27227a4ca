import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // The native addon keeps a thread pool per process; one process per file keeps pools and memory apart.
    pool: 'forks',
    // Two cores: more workers than cores only makes compiles and spin barriers fight each other.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
