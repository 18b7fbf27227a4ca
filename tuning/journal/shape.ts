/**
 * A quick check of the lines that make up nearly all of a journal. It accepts less than the schema in lines.ts and never more: what it
 * does not accept is put to the schema. Checking 20,000 lines against the schema alone would take most of a tuner's start.
 */
import { OUTCOME_STATES } from '../types.js';
import { JOURNAL_SCHEMA } from './lines.js';

const STATES: ReadonlySet<unknown> = new Set(OUTCOME_STATES);
const KEY_FIELDS = ['run', 'at', 'problem', 'kernelId', 'sourceHash', 'deviceKey', 'compiler', 'regime'] as const;
const CONDITION_SHARES: ReadonlySet<string> = new Set(['stealShare', 'otherShare']);
const CONDITION_NUMBERS: ReadonlySet<string> = new Set(['cpuMhz', 'smClockMhz', 'memClockMhz', 'powerW', 'temperatureC']);
const RESOURCES: ReadonlySet<string> = new Set(['registers', 'sharedBytes', 'codeBytes']);

type Fields = Readonly<Record<string, unknown>>;

/** Whether this is a `started`, `abandoned`, `outcome` or `final` line beyond doubt. */
export function hasShapeOfFrequentLine(value: unknown): boolean {
  if (!isObject(value) || value['schema'] !== JOURNAL_SCHEMA) return false;
  for (const field of KEY_FIELDS) if (typeof value[field] !== 'string') return false;
  switch (value['kind']) {
    case 'started':
    case 'abandoned':
      return true;
    case 'outcome':
      return isOutcome(value);
    case 'final':
      return isFinal(value);
    default:
      return false;
  }
}

function isOutcome(line: Fields): boolean {
  const { state, samplesNs, referenceNs } = line;
  if (!STATES.has(state) || typeof line['message'] !== 'string') return false;
  const measured = state === 'ok' || state === 'too-slow';
  const samples = measured ? arePaired(samplesNs, referenceNs) : samplesNs === undefined && referenceNs === undefined;
  return (
    samples &&
    optional(line['machineCode'], isString) &&
    optional(line['sameCodeAs'], isString) &&
    optional(line['compileMs'], isNotNegative) &&
    optional(line['evaluateMs'], isNotNegative) &&
    optional(line['retaken'], isCount) &&
    optional(line['dirty'], isBoolean) &&
    optional(line['resources'], areResources) &&
    optional(line['conditions'], areConditions)
  );
}

function isFinal(line: Fields): boolean {
  return (
    typeof line['final'] === 'string' &&
    (line['stage'] === 'final' || line['stage'] === 'held-out') &&
    arePaired(line['samplesNs'], line['referenceNs']) &&
    arePositive(line['controlNs']) &&
    isCount(line['retaken']) &&
    typeof line['dirty'] === 'boolean' &&
    optional(line['machineCode'], isString) &&
    optional(line['resources'], areResources) &&
    optional(line['conditions'], areConditions)
  );
}

function arePaired(samples: unknown, references: unknown): boolean {
  return arePositive(samples) && arePositive(references) && samples.length > 0 && samples.length === references.length;
}

function arePositive(value: unknown): value is readonly number[] {
  if (!Array.isArray(value)) return false;
  for (const item of value as readonly unknown[]) if (typeof item !== 'number' || !(item > 0 && item < Infinity)) return false;
  return true;
}

function areResources(value: unknown): boolean {
  return isObject(value) && Object.entries(value).every(([name, item]) => RESOURCES.has(name) && Number.isFinite(item));
}

function areConditions(value: unknown): boolean {
  if (!isObject(value)) return false;
  for (const name of Object.keys(value)) {
    const item = value[name];
    if (CONDITION_SHARES.has(name) ? !(isNotNegative(item) && (item as number) <= 1) : !(CONDITION_NUMBERS.has(name) && Number.isFinite(item))) return false;
  }
  return true;
}

const optional = (value: unknown, check: (value: unknown) => boolean): boolean => value === undefined || check(value);
const isString = (value: unknown): boolean => typeof value === 'string';
const isBoolean = (value: unknown): boolean => typeof value === 'boolean';
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isNotNegative = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value < Infinity;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
