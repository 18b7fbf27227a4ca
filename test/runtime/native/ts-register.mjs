// For child processes of tests, which have no vitest around them: lets plain Node import the TypeScript sources.
import { register } from 'node:module';

register('./ts-hooks.mjs', import.meta.url);
