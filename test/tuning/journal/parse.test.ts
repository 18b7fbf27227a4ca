import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { journalLineSchema, type JournalLine } from '../../../tuning/journal/lines.js';
import { parseJournal, parseLine, sealLine } from '../../../tuning/journal/parse.js';
import { hasShapeOfFrequentLine } from '../../../tuning/journal/shape.js';
import { abandoned, endLine, failed, finalLines, measured, runLine, started } from './support.js';

const everyKind: readonly JournalLine[] = [
  runLine('r', 0), started('r', 1, 'a'), abandoned('r', 2, 'a'), failed('r', 3, 'b', 'wrong'), ...finalLines('r', 4, { a: 90 }), endLine('r', 5),
  measured('r', 6, 'a', [1.5, 2.25], { machineCode: 'm', sameCodeAs: 'b', compileMs: 1, evaluateMs: 2, retaken: 0, dirty: true, resources: { registers: 1 }, conditions: { stealShare: 0.5, cpuMhz: 3000, throttle: ['power cap'] } }),
];
/** Seals text that need not be a line of ours. */
const sealAnything = (value: unknown): string => sealLine(value as JournalLine);

describe('parseJournal', () => {
  it('reads lines of every kind back as they were', () => {
    const { lines, ...counts } = parseJournal(everyKind.map(sealLine).join('\n'));
    expect(counts).toEqual({ badLines: 0, oldLines: 0, duplicates: 0 });
    expect(lines.map(({ sum: _sum, ...line }) => line)).toEqual(everyKind);
    expect(lines.every(({ sum }) => /^[0-9a-f]{12}$/.test(sum))).toBe(true);
  });

  it('does not mind line ends of another system, blank lines and a missing last newline', () => {
    const text = everyKind.map(sealLine).join('\r\n\r\n \n');
    expect(parseJournal(text)).toMatchObject({ badLines: 0, lines: { length: everyKind.length } });
  });

  it('counts lines that it read before', () => {
    const text = everyKind.map(sealLine).join('\n');
    expect(parseJournal(`${text}\n${text}`)).toMatchObject({ duplicates: everyKind.length, lines: { length: everyKind.length } });
  });

  it('skips and counts what is not a line of ours', () => {
    const good = sealLine(everyKind[3]!);
    const bad = ['garbage', '[1]', 'null', '"text"', '{"kind":"outcome"}', '\0\0\0', `\0${good}`, good.slice(0, -1), good.slice(1), good + good, JSON.stringify(everyKind[3]), '{"__proto__":1}', `${'['.repeat(100_000)}`];
    expect(parseJournal([...bad, good].join('\n'))).toMatchObject({ badLines: bad.length, oldLines: 0, lines: { length: 1 } });
  });

  it('skips sealed lines that are not of the right shape', () => {
    const line = everyKind.at(-1) as Record<string, unknown>;
    const { samplesNs: _samples, ...without } = line;
    const changes = [without, { ...line, state: 'wrong' }, { ...line, referenceNs: [1] }, { ...line, samplesNs: [], referenceNs: [] }, { ...line, samplesNs: [1, -2] }, { ...line, state: 'splendid' }, { ...line, kernelId: 5 }, { ...line, resources: { registers: 'many' } }, { ...line, conditions: { stealShare: 2 } }, { ...line, schema: '2' }];
    for (const change of changes) {
      expect(hasShapeOfFrequentLine(change), JSON.stringify(change)).toBe(false);
      expect(parseLine(sealAnything(change)), JSON.stringify(change)).toBeNull();
    }
  });

  it('tells lines of other versions, sealed or not, from rubbish', () => {
    expect(parseLine('{"schema":1,"kind":"outcome","problem":"p()"}')).toBe('old');
    expect(parseLine(sealAnything({ schema: 3, kind: 'novelty' }))).toBe('old');
    expect(parseLine('{"schema":1}')).toBeNull();
  });

  it('notices every flipped bit of a line', () => {
    const bytes = Buffer.from(sealLine(measured('r', 1, 'a', [123456, 123.45])));
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const { lines } = parseJournal(flipped.toString('utf8'));
      // A flip in a letter of `"sum"` or in white space around the line changes no content; there is none of either here.
      expect(lines, `bit ${bit}: ${flipped.toString('utf8')}`).toEqual([]);
    }
  });

  it('takes any text at all', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom(...everyKind).map(sealLine)), { maxLength: 8 }), (texts) => {
        const { lines } = parseJournal(texts.join('\n'));
        expect(lines.length).toBeLessThanOrEqual(everyKind.length);
      }),
      { seed: 1, numRuns: 60 },
    );
  });
});

describe('the quick check', () => {
  it('never accepts what the schema refuses, and accepts the frequent kinds', () => {
    const frequent = everyKind.filter(({ kind }) => kind !== 'run' && kind !== 'end');
    // One line is left to the schema: throttle reasons are rare.
    expect(frequent.filter(hasShapeOfFrequentLine)).toHaveLength(frequent.length - 1);
    const values = fc.oneof(fc.constant(undefined), fc.jsonValue(), fc.constantFrom(-1, 0, 0.5, 1, 2, '', 'x', true, null, [], [1], [1, 2], [0], {}, { registers: 1 }, { registers: -1.5 }, { other: 1 }, { stealShare: 1 }, { stealShare: 1.5 }, { cpuMhz: 1 }));
    const fields = fc.constantFrom(...new Set(everyKind.flatMap((line) => Object.keys(line))));
    fc.assert(
      fc.property(fc.constantFrom(...everyKind), fields, values, fields, values, (line, field, value, other, otherValue) => {
        const changed = JSON.parse(JSON.stringify({ ...line, [field]: value, [other]: otherValue })) as unknown;
        if (hasShapeOfFrequentLine(changed)) expect(journalLineSchema.safeParse(changed).success, JSON.stringify(changed)).toBe(true);
      }),
      { seed: 1, numRuns: 3000 },
    );
  });
});
