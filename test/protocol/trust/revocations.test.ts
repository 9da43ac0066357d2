import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/protocol/base/limits.ts';
import { encodeJob, signMessage } from '../../../src/protocol/documents/index.ts';
import { areFresh } from '../../../src/protocol/trust/fresh-lines.ts';
import {
  checkStands,
  codeOfRevoked,
  EndedKeys,
  forkOf,
  isUnread,
  memberRevokedAt,
  type Revoked,
  revocationAt,
  revocationsFor,
  revokedError,
  revokedUnder,
  revokedUnread,
  sayRevoked,
  voteRevoked,
} from '../../../src/protocol/trust/revocations.ts';
import {
  at,
  controller,
  idp,
  makeCharter,
  makeGrant,
  makeJob,
  makeOffer,
  makeRequest,
  project,
  publisher,
  testKey,
  trusted,
  workerKey,
} from '../../support/project.ts';
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
    // The root's own key is never ended, and no end by another key is one.
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

describe('without a trusted worker, lines of operators', () => {
  const keys = ['ada', 'bob'].map((operator) => ({ operator, key: workerKey(operator) }));
  const charter = makeCharter({ trusted: [], floor: { agree: 2, of: 3, cosign: 'none', rounds: 1 } });
  const grantsOf = (over: object = {}) =>
    Promise.all(
      keys.map(({ key, operator }) =>
        signMessage('grant', makeGrant(key, operator, 'worker', over), idp.signer),
      ),
    );

  it('show that it is current where as many signed as have to agree, each with a grant of then', async () => {
    const lines = keys.map(({ key }) => ({ witness: key.id, time: at }));
    const about = { charter, revoked: [], grants: await grantsOf(), now: at, ageSecondsMax: 60 };
    expect(areFresh(lines, about)).toBe(true);
    expect(areFresh(lines.slice(0, 1), about)).toBe(false);
    expect(areFresh(lines, { ...about, grants: about.grants.slice(0, 1) })).toBe(false);
    expect(areFresh(lines, { ...about, grants: await grantsOf({ iat: at - 7200, exp: at - 3600 }) })).toBe(
      false,
    );
    expect(areFresh(lines, { ...about, revoked: [revoked(key(keys[0]?.key.id ?? ''), 0)] })).toBe(false);
  });
});

describe('revocations', () => {
  it('are looked through once', () => {
    const all = [revoked(key('a'), 3)];
    expect(revocationsFor(all, 1).keys).toBe(revocationsFor(all, 9).keys);
    expect(revocationsFor([...all], 1).keys).not.toBe(revocationsFor(all, 1).keys);
  });

  it('of an operator with the name of a key are no end of that key', () => {
    expect(new EndedKeys([revoked({ kind: 'operator', id: 'a' }, 0)]).size).toBe(0);
  });

  it('that this program cannot read are none of the many of a root', () => {
    const many = list(limits.rootRevocationsMax, (n) =>
      revoked({ kind: 'job', id: `${n}` }, 0, { id: `${n}` }),
    );
    const unread = revokedUnread(project, true);
    expect(revokedUnder([...many, unread], makeCharter())).toHaveLength(many.length + 1);
    expect([isUnread(unread), isUnread(revoked(key('a'), 0))]).toEqual([true, false]);
  });

  it.each<[Revoked, string, RegExp]>([
    [
      revoked(key('a'), 3, { id: 'lost' }),
      'KEY_REVOKED',
      /^the key a was revoked from leaf 3 of the log on, by the root key: lost$/,
    ],
    [
      revoked({ kind: 'operator', id: 'ada' }, 3, { byRoot: false }),
      'OPERATOR_REVOKED',
      /, by the identity provider: 3$/,
    ],
    [
      revoked({ kind: 'log', id: 'l', whole: true }, 0),
      'LOG_EQUIVOCATED',
      /^the log of the project tells two stories: 0$/,
    ],
    [
      revoked({ kind: 'log', id: 'l', whole: false }, 0),
      'LOG_EQUIVOCATED',
      /two stories, and no trusted worker/,
    ],
    [
      revokedUnread('p', true),
      'DOC_NEWER',
      /^the root key of p revoked something in a document of a later version/,
    ],
    [revokedUnread('p', false), 'DOC_NEWER', /^an identity provider of p /],
    [revoked({ kind: 'project', id: 'p' }, 0), 'REVOCATIONS_FULL', /^the root key of p signed more than/],
  ])('%j is refused with %s', (one, code, says) => {
    expect(codeOfRevoked(one)).toBe(code);
    expect(sayRevoked(one)).toMatch(says);
    const isOperator = one.what.kind === 'operator';
    expect(revokedError(one)).toMatchObject({
      code,
      hint: expect.stringMatching(isOperator ? /another name/ : /Ask the owner/),
    });
  });

  it('let an offer stand that none of them reaches', async () => {
    const { id: jobId } = encodeJob(makeJob());
    const request = await signMessage('request', makeRequest(jobId), publisher.signer);
    const order = {
      request,
      job: makeJob(),
      jobId,
      offer: await signMessage('offer', makeOffer(request.id, jobId, { index: 5 }), controller.signer),
      publisher: await signMessage('grant', makeGrant(publisher, 'pat', 'publisher'), idp.signer),
    };
    const stands =
      (...all: Revoked[]) =>
      () =>
        checkStands(all, makeCharter(), order);
    expect(stands()).not.toThrow();
    expect(stands(revoked({ kind: 'operator', id: 'pat' }, 6))).not.toThrow();
    for (const what of [
      { kind: 'operator', id: 'pat' },
      key(publisher.id),
      key(controller.id),
      { kind: 'job', id: jobId },
      { kind: 'image', id: makeJob().image },
    ] as const)
      expect(stands(revoked(what, 5))).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/_REVOKED$/) }),
      );
  });
});
