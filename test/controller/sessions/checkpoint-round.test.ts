import { describe, expect, it } from 'vitest';
import {
  type CheckpointRound,
  hasAnswered,
  type MemberLine,
  makeRoom,
  witnessedCheckpoint,
} from '../../../src/controller/sessions/checkpoint-round.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';

const { memberLinesCharsMax } = sessionLimits;
const grant = {} as MemberLine['grant'];
const line = (witness: string, over: Partial<MemberLine> = {}): MemberLine => ({
  witness,
  time: 0,
  operator: witness,
  isTrusted: false,
  line: 'x',
  grant,
  ...over,
});
const long = (chars: number) => ({ line: 'x'.repeat(chars) });
/** A round with these lines; those whose keys are `answered` are of now. */
const round = (members: MemberLine[], answered = members.map(({ witness }) => witness)): CheckpointRound => ({
  size: 1,
  root: 'r',
  base: 'base\n',
  members,
  outside: new Map([['named', 'n']]),
  answered: new Set(answered),
  waitsFor: undefined,
  asked: new Set<string>(),
  open: true,
});
const old = { grant: undefined };
const trusted = { isTrusted: true };

describe('room for a line under a checkpoint', () => {
  it.each<[string, CheckpointRound, MemberLine, boolean, string[]]>([
    ['is there up to the bound', round([]), line('a', long(memberLinesCharsMax)), true, []],
    ['is not there above it', round([]), line('a', long(memberLinesCharsMax + 1)), false, []],
    [
      'is shared by all lines',
      round([line('a', long(memberLinesCharsMax - 1))]),
      line('b', long(2)),
      false,
      ['a'],
    ],
    [
      'is not taken by a second line of an operator',
      round([line('a')]),
      line('b', { operator: 'a' }),
      false,
      ['a'],
    ],
    [
      'is taken by one of a trusted worker of that operator',
      round([line('a')]),
      line('b', { operator: 'a', ...trusted }),
      true,
      ['a'],
    ],
    [
      'is taken beside a trusted worker of another',
      round([line('a', trusted)]),
      line('b', { operator: 'a' }),
      false,
      ['a'],
    ],
    [
      'is made by an old line of the operator',
      round([line('a', old), line('c')]),
      line('b', { operator: 'a' }),
      true,
      ['c'],
    ],
    [
      'is made by an old line of the key',
      round([line('a', { ...old, ...trusted })]),
      line('a', trusted),
      true,
      [],
    ],
    ['is made by a line of a round before', round([line('a')], []), line('b', { operator: 'a' }), true, []],
    [
      'is not made by an old line of a trusted worker of that operator',
      round([line('a', { ...old, ...trusted })]),
      line('b', { operator: 'a' }),
      false,
      ['a'],
    ],
    [
      'is made by the last old line of others where there is none',
      round([line('a', old), line('b', { ...old, ...long(9) }), line('c', long(memberLinesCharsMax - 10))]),
      line('d', long(9)),
      true,
      ['a', 'c'],
    ],
    [
      'is not made for it by a line of now',
      round([line('c', long(memberLinesCharsMax))]),
      line('d'),
      false,
      ['c'],
    ],
    [
      'is made for a trusted worker by a line of now, not by that of another trusted one',
      round([line('a', { ...trusted, ...long(9) }), line('c', long(memberLinesCharsMax - 9))]),
      line('d', trusted),
      true,
      ['a'],
    ],
    [
      'is made for a trusted worker by the only old line, not by one of now',
      round([line('a', old), line('c', long(memberLinesCharsMax - 1))]),
      line('d', trusted),
      true,
      ['c'],
    ],
    [
      'is not made by trusted workers',
      round([line('a', { ...trusted, ...old, ...long(memberLinesCharsMax) })]),
      line('d', trusted),
      false,
      ['a'],
    ],
  ])('%s', (_what, before, one, hasRoom, left) => {
    expect(makeRoom(before, one)).toBe(hasRoom);
    expect(before.members.map(({ witness }) => witness)).toEqual(left);
  });
});

it('a worker has answered with a line of now, not with one of the life before', () => {
  const lines = round([line('a'), line('b', old)]);
  expect(['a', 'b', 'c'].map((peer) => hasAnswered(lines, peer))).toEqual([true, false, false]);
  expect(hasAnswered(round([], ['c']), 'c')).toBe(true);
});

it('a witnessed checkpoint has the line of the log, then those of members and of others', () => {
  expect(witnessedCheckpoint(round([line('a'), line('b')]))).toMatchObject({
    note: 'base\nxxn',
    outside: ['n'],
  });
});
