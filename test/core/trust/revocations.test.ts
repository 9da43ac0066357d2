import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/core/limits.ts';
import { areFresh } from '../../../src/core/trust/fresh-lines.ts';
import {
  EndedKeys,
  forkOf,
  memberRevokedAt,
  type Revoked,
  revocationAt,
  revocationsFor,
  revokedUnder,
  voteRevoked,
} from '../../../src/core/trust/revocations.ts';
import { at, makeCharter, project, testKey, trusted } from '../../support/documents.ts';
import { list } from '../taken.ts';

const key = (id: string) => ({ kind: 'key', id }) as const;
const revoked = (
  what: Revoked['what'],
  since: number,
  { id = `${since}`, byRoot = true, signer = project, keeps = [] as string[] } = {},
): Revoked => ({ what, since, reason: id, byRoot, document: { id, signer, keeps } });

describe('a revocation', () => {
  it('reaches from its leaf on, and of several the earliest counts, of equals that of the first id', () => {
    const all = [revoked(key('a'), 9), revoked(key('a'), 5, { id: 'y' }), revoked(key('a'), 5, { id: 'x' })];
    for (const order of [all, all.toReversed()]) {
      expect(revocationAt(order, key('a'), 4)).toBeUndefined();
      expect(revocationAt(order, key('a'), 5)?.reason).toBe('x');
      expect(revocationAt(order, key('b'), 5)).toBeUndefined();
    }
  });

  it('of an artifact counts for verdicts from its leaf on', () => {
    const all = [revoked({ kind: 'artifact', id: 'bafy' }, 5), revoked(key('a'), 3)];
    expect(revocationsFor(all, 4)).toEqual({ keys: { a: 3 }, operators: {}, artifacts: [] });
    expect(revocationsFor(all, 5).artifacts).toEqual(['bafy']);
    expect(revocationsFor(all, 6).artifacts).toEqual(['bafy']);
  });

  it('of an operator does not reach its trusted worker', () => {
    const all = [revoked({ kind: 'operator', id: 'ada' }, 0)];
    const member = { sub: 'a', operator: 'ada' };
    expect(memberRevokedAt(all, { ...member, role: 'worker' }, 1)).toBeDefined();
    expect(memberRevokedAt(all, { ...member, role: 'trusted-worker' }, 1)).toBeUndefined();
    const vote = { worker: 'a', operator: 'ada', issuer: 'i', index: 1 };
    expect(voteRevoked(all, { ...vote, role: 'worker' })).toBeDefined();
    expect(voteRevoked(all, { ...vote, role: 'trusted-worker' })).toBeUndefined();
    expect(voteRevoked([revoked(key('i'), 1)], { ...vote, role: 'trusted-worker' })).toBeDefined();
  });

  it('is believed of a root that has signed as many as a project may have, and of none that has signed more', () => {
    const of = (count: number) =>
      revokedUnder(
        list(count, (n) => revoked({ kind: 'job', id: `${n}` }, 0, { id: `${n}` })),
        makeCharter(),
      );
    const kinds = (count: number) => new Set(of(count).map(({ what }) => what.kind));
    expect(kinds(limits.rootRevocationsMax)).toEqual(new Set(['job']));
    expect(kinds(limits.rootRevocationsMax + 1)).toEqual(new Set(['job', 'project']));
    // Some that are there twice, or that others signed, are not more.
    const same = list(limits.rootRevocationsMax + 2, () => revoked({ kind: 'job', id: 'a' }, 0));
    expect(revokedUnder(same, makeCharter())).toHaveLength(same.length);
    const others = list(limits.rootRevocationsMax + 2, (n) =>
      revoked({ kind: 'job', id: 'a' }, 0, { id: `${n}`, byRoot: false, signer: 'idp' }),
    );
    expect(revokedUnder(others, makeCharter())).toHaveLength(others.length);
  });

  it('of a key that the charter names is taken from the root alone', () => {
    const all = [trusted.id, 'other'].map((id) => revoked(key(id), 0, { byRoot: false, signer: 'idp' }));
    expect(revokedUnder(all, makeCharter({ trusted: [trusted.id] })).map(({ what }) => what.id)).toEqual([
      'other',
    ]);
  });

  it('by a key that the root ended counts where each end of that key keeps it', () => {
    const ends = [
      revoked(key('idp'), 0, { keeps: ['1', '2'] }),
      revoked(key('idp'), 0, { id: 'e', keeps: ['2', '3'] }),
    ];
    const own = ['1', '2', '3'].map((id) =>
      revoked({ kind: 'job', id }, 0, { id, byRoot: false, signer: 'idp' }),
    );
    const left = (all: readonly Revoked[]) =>
      revokedUnder(all, makeCharter()).flatMap(({ what }) => (what.kind === 'job' ? [what.id] : []));
    expect(left(own)).toEqual(['1', '2', '3']);
    expect(left([...own, ...ends.slice(0, 1)])).toEqual(['1', '2']);
    expect(left([...ends, ...own])).toEqual(['2']);
    const ended = new EndedKeys(ends);
    expect([ended.size, ended.has('idp'), ended.voids('idp', '1'), ended.voids('other', '1')]).toEqual([
      1,
      true,
      true,
      false,
    ]);
    // Nobody ends the root's own key, and no end by another key is one.
    expect(new EndedKeys([revoked(key(project), 0), revoked(key('a'), 0, { byRoot: false })]).size).toBe(0);
  });

  it('of a log voids all of it, or what has no line of a trusted worker', () => {
    const fork = (whole: boolean): Revoked => ({
      ...revoked({ kind: 'log', id: 'l', whole }, 0),
      byRoot: false,
    });
    expect(forkOf([fork(true)], { key: 'l', hasLine: true })).toBeDefined();
    expect(forkOf([fork(false)], { key: 'l', hasLine: true })).toBeUndefined();
    expect(forkOf([fork(false)], { key: 'l', hasLine: false })).toBeDefined();
    expect(forkOf([fork(true)], { key: 'other', hasLine: false })).toBeUndefined();
  });
});

describe('a line of a trusted worker under a checkpoint', () => {
  const about = {
    charter: makeCharter({ trusted: [trusted.id] }),
    revoked: [],
    grants: [],
    now: at,
    ageSecondsMax: 60,
  };
  const fresh = (time: number, over: object = {}, witness = trusted.id) =>
    areFresh([{ witness, time }], { ...about, ...over });

  it.each([
    [at - 60, true],
    [at - 61, false],
    [at + limits.clockSkewSeconds, true],
    [at + limits.clockSkewSeconds + 1, false],
  ])('of %i shows that it is current: %s', (time, is) => expect(fresh(time)).toBe(is));

  it('does not where it is of another key, or of one that was revoked', () => {
    expect(fresh(at, {}, testKey('eve').id)).toBe(false);
    expect(fresh(at, { revoked: [revoked(key(trusted.id), 10 ** 9)] })).toBe(false);
    expect(fresh(at, { charter: makeCharter({ trusted: [] }) })).toBe(false);
  });
});
