import type { Family } from '../types.js';

/** Every kernel family, in the order of docs/design.md. A new family is one module beside this file and one line here. */
export const FAMILIES: readonly Family[] = [
];

/** The family of that name, or undefined. */
export function findFamily(name: string): Family | undefined {
  return FAMILIES.find((family) => family.name === name);
}
