import { expect, it } from 'vitest';
import {
  filesFit,
  knownLimit,
  lackOf,
  limitVaries,
  outputFilesMaxOf,
  receiptBytesMaxOf,
} from '../../../src/protocol/judge/index.ts';
import { makeJob } from '../../support/documents.ts';

const lent = { arch: 'x86_64', cpus: 2, memoryBytes: 2 ** 30, diskBytes: 2 ** 31, tiers: ['vm'] } as const;
const needs = { arch: 'x86_64', image: 'host', cpus: 2, memoryBytes: 2 ** 30, diskBytes: 2 ** 31 } as const;

it.each([
  ['all that is lent', {}, undefined],
  ['another architecture', { arch: 'aarch64' }, 'the job is for aarch64, the host is x86_64'],
  ['a cpu more', { cpus: 3 }, 'the job wants 3 cpus, the host lends 2'],
  ['a byte more of memory', { memoryBytes: 2 ** 30 + 1 }, /of memory, the host lends/],
  ['a byte more of disk', { diskBytes: 2 ** 31 + 1 }, /of disk, the host lends/],
] as const)('a job needs %s', (_name, over, lack) => {
  const found = lackOf({ ...needs, ...over }, { ...lent, tiers: [...lent.tiers] });
  if (lack === undefined) expect(found).toBeUndefined();
  else expect(found).toMatch(lack);
});

const limited = (files?: number) => makeJob({ limits: { ...makeJob().limits, ...(files && { files }) } });
const file = (path: string) => ({ path, sha256: 'a'.repeat(64) });

it('a receipt lists as many files as its job may make, and not one more', () => {
  const many = Array.from({ length: 2_001 }, (_, n) => file(`${n}`));
  expect(outputFilesMaxOf(limited())).toBe(2_000);
  expect(filesFit(limited(), many.slice(0, 2_000))).toBe(true);
  expect(filesFit(limited(), many)).toBe(false);
  expect(filesFit(limited(1), many.slice(0, 1))).toBe(true);
  expect(filesFit(limited(1), many.slice(0, 2))).toBe(false);
});

it('a receipt has 300 bytes for each file, those of its JSON and a comma', () => {
  // A line is {"digest":{"sha256":"…"},"name":"…"} and a comma.
  const room = 2 * 300 - 2 * (`{"digest":{"sha256":"${'a'.repeat(64)}"},"name":""}`.length + 1);
  expect(filesFit(limited(2), [file('a'), file('b'.repeat(room - 1))])).toBe(true);
  // One byte more is the next one in base64, too.
  expect(filesFit(limited(2), [file('a'), file('b'.repeat(room + 1))])).toBe(false);
  expect(receiptBytesMaxOf(limited(2))).toBe(Math.ceil(((16 * 1024 + 600) * 4) / 3));
});

it.each([
  ['files', 2_000, true],
  ['files', 2_001, false],
  ['seconds', 600, true],
  ['seconds', 601, false],
  ['toString', 0, false],
])('a limit %s of %i is one of the job: %s', (name, max, isKnown) => {
  const found = knownLimit(makeJob(), { name, max });
  expect(found).toEqual(isKnown ? { name, max } : undefined);
  if (found !== undefined) expect(limitVaries(found)).toBe(name === 'seconds');
});
