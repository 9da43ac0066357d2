import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/protocol/base/limits.ts';
import { isoTime } from '../../../src/protocol/base/time.ts';
import { goOn } from '../../../src/protocol/trust/content.ts';
import {
  type Content,
  checkAge,
  checkContent,
  type Verification,
} from '../../../src/protocol/trust/index.ts';
import { at, cidOf } from '../../support/documents.ts';

const sha256 = 'ab'.repeat(32);
const files = ['a', 'b', 'c', 'd'].map((path) => ({ path, sha256 }));
const facts = {
  name: 'app',
  kind: 'build',
  artifact: cidOf('app'),
  files,
  time: isoTime(at * 1000),
  witnessed: null,
};
/** A verification that held, as far as these checks look at it. */
const held = (over: object = {}): Verification =>
  ({
    ok: true,
    level: 'trusted',
    steps: [],
    code: null,
    facts: { ...facts, ...over },
  }) as unknown as Verification;

describe('the age of evidence', () => {
  const aged = (ageSeconds: number, maxAgeSeconds: number, over: object = {}) => {
    const { code, steps } = checkAge(held(over), { now: (at + ageSeconds) * 1000, maxAgeSeconds });
    return `${code}: ${steps.at(-1)?.says}`;
  };
  const of = `(of ${facts.time})`;

  it.each([
    [60, 60, `null: The verdict is 60 seconds old ${of}; up to 60 seconds was asked for.`],
    [60.5, 60, `VERDICT_TOO_OLD: the verdict is 60 seconds old ${of}; at most 60 seconds was asked for.`],
    [1, 119, `null: The verdict is 1 second old ${of}; up to 119 seconds was asked for.`],
    [120, 7_199, `null: The verdict is 2 minutes old ${of}; up to 119 minutes was asked for.`],
    [7_200, 172_799, `null: The verdict is 2 hours old ${of}; up to 47 hours was asked for.`],
    [172_800, 172_800, `null: The verdict is 2 days old ${of}; up to 2 days was asked for.`],
    [-limits.clockSkewSeconds, 1, `null: The verdict is 0 seconds old ${of}; up to 1 second was asked for.`],
    [
      -limits.clockSkewSeconds - 1,
      1,
      `VERDICT_FROM_FUTURE: the verdict is of ${facts.time}, later than now on this clock.`,
    ],
  ])('of %d s where %d s are asked for', (age, max, says) => expect(aged(age, max)).toBe(says));

  it('counts from the first signature of others where that is earlier, and from none of the future', () => {
    const [before, after] = [isoTime((at - 10) * 1000), isoTime((at + 100) * 1000)];
    expect(aged(5, 10, { witnessed: before })).toMatch(
      `VERDICT_TOO_OLD: the verdict is 15 seconds old (of ${before})`,
    );
    expect(aged(100, 100, { witnessed: after })).toMatch(`null: The verdict is 100 seconds old ${of}`);
    const late = 100 - limits.clockSkewSeconds;
    expect(aged(late, 1_000, { witnessed: after })).toMatch('null');
    expect(aged(late - 1, 1_000, { witnessed: after })).toMatch(
      `VERDICT_FROM_FUTURE: the verdict is of ${after}`,
    );
  });

  it('says nothing of a mistake of ours', () => {
    expect(() =>
      goOn(held(), 'age', () => {
        throw new TypeError('ours');
      }),
    ).toThrow(TypeError);
  });

  it('is not looked at where the evidence does not hold', () => {
    const refused: Verification = { ...held(), ok: false, level: 'none', code: 'KEY_REVOKED', facts: null };
    expect(checkAge(refused, { now: 0, maxAgeSeconds: 1 })).toBe(refused);
  });
});

describe('bytes', () => {
  const other = 'cd'.repeat(32);
  const test = { kind: 'test', artifact: null };
  it.each<[string, Content, object, string | null, RegExp]>([
    ['a tree', { kind: 'tree', cid: cidOf('app') }, {}, null, /all of it\.$/],
    [
      'another tree',
      { kind: 'tree', cid: cidOf('b') },
      {},
      'FILES_TREE_MISMATCH',
      /the evidence is about bafy/,
    ],
    [
      'a tree',
      { kind: 'tree', cid: cidOf('b') },
      { artifact: null },
      'FILES_TREE_MISMATCH',
      /about no artifact\.$/,
    ],
    ['a file', { kind: 'file', sha256 }, {}, null, /that of a, b, c in the artifact\.$/],
    ['a file', { kind: 'file', sha256, path: 'd' }, {}, null, /that of d in the artifact\.$/],
    [
      'a file',
      { kind: 'file', sha256, path: 'e' },
      {},
      'FILES_PATH_MISMATCH',
      /is a, b, c in the artifact, and not e\.$/,
    ],
    [
      'another file',
      { kind: 'file', sha256: other },
      {},
      'FILES_HASH_MISMATCH',
      /none of the artifact's 4 files has it\.$/,
    ],
    ['a report', { kind: 'file', sha256 }, test, 'ARTIFACT_OF_TEST', /the test "app"/],
  ])('of %s are the artifact, or refused: %j', (_, content, over, code, says) => {
    const found = checkContent(held(over), content);
    expect([found.ok, found.code]).toEqual([code === null, code]);
    expect(found.steps.at(-1)).toMatchObject({ step: 'files', says: expect.stringMatching(says) });
  });
});
