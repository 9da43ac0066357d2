import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { isoTime } from '../../../src/protocol/base/time.ts';
import { type Bundle, encodeJob, signMessage } from '../../../src/protocol/documents/index.ts';
import { limitReached, type Report } from '../../../src/protocol/trust/at-limit.ts';
import { decide } from '../../../src/protocol/trust/decide.ts';
import { decideEarlier } from '../../../src/protocol/trust/earlier.ts';
import type { Revoked } from '../../../src/protocol/trust/revocations.ts';
import { signedAt } from '../../../src/protocol/trust/steps/decision.ts';
import { openOffers } from '../../../src/protocol/trust/steps/documents.ts';
import { InputBundles } from '../../../src/protocol/trust/steps/inputs.ts';
import { placeOf } from '../../../src/protocol/trust/steps/place.ts';
import { checkTimes, checkWitnessTime } from '../../../src/protocol/trust/steps/times.ts';
import { witnessedBy } from '../../../src/protocol/trust/witnesses.ts';
import {
  at,
  controller,
  idp,
  keyRevoked,
  makeCharter,
  makeGrant,
  makeJob,
  makeOffer,
  makeRequest,
  publisher,
  trusted,
  workerKey,
} from '../../support/project.ts';
import { A, aborted, open, own, policy, trustedKey, vote } from './votes.ts';

const skew = limits.clockSkewSeconds;

/** The codes of the checks that fail. */
function failing(run: (check: (code: string, ok: boolean) => void) => void): string[] {
  const codes: string[] = [];
  run((code, ok) => {
    if (!ok) codes.push(code);
  });
  return codes;
}

describe('the times of a verdict', () => {
  const publisherGrant = { payload: makeGrant(publisher, 'pat', 'publisher'), signer: idp.id };
  /** Documents with these times, as far as their times are looked at. */
  const opened = ({ verdict = at, rounds = [at], iat = at, exp = at + 100 } = {}) => ({
    charter: { payload: makeCharter() },
    request: { payload: { iat, exp, policy: { cosign: 'required' } }, signer: publisher.id },
    publisher: publisherGrant,
    offers: rounds.map((of) => ({ payload: { iat: of } })),
    verdict: {
      signers: [trusted.id],
      payload: { predicate: { timeVerified: isoTime(verdict * 1000) } },
    },
  });
  const times = (of: Parameters<typeof opened>[0], now?: number) =>
    failing((check) =>
      checkTimes(
        { check, expected: now === undefined ? {} : { now: now * 1000 } } as never,
        opened(of) as never,
      ),
    );

  it.each<[object, number | undefined, string[]]>([
    [{ verdict: at - skew }, undefined, []],
    [{ verdict: at - skew - 1 }, undefined, ['VERDICT_NOT_IN_TIME']],
    // The last of its rounds counts.
    [{ verdict: at - skew, rounds: [at, at + 1] }, undefined, ['VERDICT_NOT_IN_TIME']],
    // Without a round, its request.
    [{ verdict: at - skew, rounds: [] }, undefined, []],
    [{ verdict: at - skew - 1, rounds: [] }, undefined, ['VERDICT_NOT_IN_TIME']],
    [{ verdict: at + 100 + skew, rounds: [] }, undefined, []],
    [{ verdict: at + 101 + skew, rounds: [] }, undefined, ['VERDICT_NOT_IN_TIME']],
    [{ verdict: at + 101 + skew }, undefined, []],
    [{}, at - skew, []],
    [{}, at - skew - 1, ['VERDICT_FROM_FUTURE']],
    [{}, at + 100 + skew, []],
    [{}, at + 101 + skew, ['REQUEST_OVER']],
  ])('%j at %s: %j', (of, now, codes) => expect(times(of, now)).toEqual(codes));

  it.each([
    [at - skew, []],
    [at - skew - 1, ['VERDICT_NOT_IN_TIME']],
  ])('are not later than a line of %i', (line, codes) => {
    const late = failing((check) => checkWitnessTime({ check } as never, opened() as never, line));
    expect(late).toEqual(codes);
  });

  it.each([
    [['a', 'b'], 9],
    [['b', 'a'], 9],
    [['a'], 5],
    [['x'], undefined],
  ])('are held against the latest line of those that co-signed: of %j %s', (cosigners, time) => {
    const lines = Object.entries({ a: 5, c: 20, b: 9 });
    const witnesses = lines.map(([witness, time]) => ({ witness, time }));
    expect(signedAt({ checkpoint: { witnesses } } as never, cosigners, policy)).toBe(time);
  });

  it('and its place is that of the trusted worker that signed it, of witnesses, or of the controller', () => {
    const place = (time: number, revoked: Revoked[] = [], witnessed: object | null = null) =>
      placeOf(
        { revoked },
        opened() as never,
        { verdictIndex: 5, checkpoint: { witnesses: [{ witness: trusted.id, time }] } } as never,
        witnessed as never,
      );
    expect([place(at - skew), place(at - skew - 1), place(at - skew - 1, [], {})]).toEqual([
      ...['cosigned', 'controller', 'witnessed'],
    ]);
    expect(place(at, [keyRevoked(trusted.id, 5)])).toBe('controller');
    expect(place(at, [keyRevoked(trusted.id, 6)])).toBe('cosigned');
  });
});

describe('offers', () => {
  it('follow each other, in rounds and in the log', async () => {
    const { id: jobId } = encodeJob(makeJob());
    const request = await signMessage('request', makeRequest(jobId), publisher.signer);
    const grant = await signMessage('grant', makeGrant(publisher, 'pat', 'publisher'), idp.signer);
    const authority = { charter: { payload: makeCharter() }, request, publisher: grant, jobId };
    const codes = async (...offers: [round: number, index: number][]) => {
      const raws = await Promise.all(
        offers.map(async ([round, index]) => {
          const offer = makeOffer(request.id, jobId, { round, index });
          return (await signMessage('offer', offer, controller.signer)).raw;
        }),
      );
      const found: string[] = [];
      const check = (code: string, ok: boolean) => {
        if (!ok) found.push(code);
      };
      await openOffers(
        { bundle: { offers: raws }, verifier: joseVerifier, check } as never,
        authority as never,
      );
      return found;
    };
    expect(await codes([1, 5], [2, 6])).toEqual([]);
    for (const wrong of [
      [
        [1, 5],
        [2, 5],
      ],
      [
        [1, 5],
        [1, 6],
      ],
      [[2, 5]],
    ] as [number, number][][])
      expect(await codes(...wrong)).toContain('OFFER_ROUND');
  });
});

describe('witnesses of a verdict', () => {
  const [ada, second, bob] = [workerKey('ada'), workerKey('ada', 1), workerKey('bob')];
  const granted = (key: typeof ada, operator: string, over: object = {}, signer = idp.id) =>
    ({ payload: { ...makeGrant(key, operator, 'worker'), ...over }, signer }) as never;
  const line = (key: { id: string }, time = at) => ({ witness: key.id, time });
  const named = [
    { name: 'w1', time: at },
    { name: 'w2', time: at - skew - 1 },
  ];
  const counted = (
    keys: ReturnType<typeof line>[],
    grants: { receipts?: never[]; more?: never[] } = {},
    revoked: Revoked[] = [],
  ) => {
    let by: ReturnType<typeof witnessedBy> | undefined;
    const codes = failing((check) => {
      by = witnessedBy(
        check as never,
        { keys, named },
        { receipts: [], more: [], ...grants },
        { charter: makeCharter(), revoked, decidedAt: at, last: 9 },
      );
    });
    return { ...by, codes };
  };
  const receipts = [granted(ada, 'ada'), granted(second, 'ada'), granted(bob, 'bob')];

  it('count once for each operator, not before the verdict, with their times', () => {
    expect(counted([line(ada), line(second), line(bob, at - skew)], { receipts })).toEqual({
      keys: [ada.id, bob.id],
      operators: ['ada', 'bob'],
      named: ['w1'],
      times: [at, at - skew, at],
      codes: [],
    });
    expect(counted([line(bob, at - skew - 1)], { receipts }).operators).toEqual([]);
    expect(counted([line(workerKey('eve'))], { receipts }).operators).toEqual([]);
    const own = [granted(ada, 'ada', { role: 'trusted-worker' })];
    expect(counted([line(ada)], { receipts: own }).operators).toEqual([]);
  });

  it('by a grant that is not of a receipt count where that holds', () => {
    const [more, old] = [[granted(ada, 'ada')], [granted(ada, 'ada', { iat: at - 9000, exp: at - 5000 })]];
    expect(counted([line(ada)], { more })).toMatchObject({ operators: ['ada'], codes: [] });
    expect(counted([line(ada)], { more: old }).codes).toEqual(['GRANT_NOT_VALID_THEN']);
    expect(counted([line(ada)], { receipts: old }).codes).toEqual([]);
  });

  it.each([ada.id, idp.id])('do not count where the key %s of their grant is revoked', (id) => {
    expect(counted([line(ada)], { receipts }, [keyRevoked(id, 9)]).operators).toEqual([]);
    expect(counted([line(ada)], { receipts }, [keyRevoked(id, 10)]).operators).toEqual(['ada']);
  });

  it('do not count for an operator that is revoked', () => {
    const revoked: Revoked = { ...keyRevoked('', 0), what: { kind: 'operator', id: 'ada' } };
    expect(counted([line(ada), line(bob)], { receipts }, [revoked]).operators).toEqual(['bob']);
  });
});

it('an earlier run is decided without the rounds that this policy would not have had', () => {
  const votes = [vote('ada', 0, A, { round: 2 }), vote('bob', 1, A, { round: 2 }), own(A, { round: 9 })];
  const level = (rounds: number) => {
    const evidence = { votes, trustedKeys: [trustedKey], cosigned: [trustedKey], inputs: {} };
    return decideEarlier(decide, { ...policy, rounds }, evidence, { keys: {} }).level;
  };
  expect([level(2), level(1)]).toEqual(['trusted', 'none']);
});

describe('the evidence of what a job reads', () => {
  const bundle = (request: string, over: object = {}): Bundle => ({ request, ...over }) as never;
  const held = (...bundles: Bundle[]) => {
    const all = new InputBundles();
    for (const one of bundles) all.add(one);
    return all.all;
  };

  it('is held once of each request: its own, else the first that another one rests on', () => {
    const [own, nested] = [bundle('b', { charter: 'new' }), bundle('b', { charter: 'old' })];
    const outer = bundle('a', { inputs: [nested] });
    expect(held(outer)).toEqual([{ request: 'a' }, nested]);
    expect(held(outer, own)).toEqual([{ request: 'a' }, own]);
    expect(held(own, outer)).toEqual([own, { request: 'a' }]);
    expect(held(own, nested)).toEqual([own]);
    expect(held(outer, bundle('c', { inputs: [own] }))[1]).toEqual(nested);
  });

  it('is that of so many requests, and of so many bytes', () => {
    const { bundleInputsMax, bundleBytesMax } = limits;
    const many = (count: number) => held(...Array.from({ length: count }, (_, n) => bundle(`${n}`)));
    const tooLarge = expect.objectContaining({ code: 'INPUT_EVIDENCE_TOO_LARGE' });
    expect(many(bundleInputsMax + 1)).toHaveLength(bundleInputsMax + 1);
    expect(() => many(bundleInputsMax + 2)).toThrow(tooLarge);
    const large = (bytes: number) => bundle('x'.repeat(bytes - '{"request":""}'.length));
    expect(held(large(bundleBytesMax))).toHaveLength(1);
    expect(() => held(large(bundleBytesMax + 1))).toThrow(tooLarge);
  });
});

describe('a run at a limit', () => {
  const limit = { name: 'files', max: 10 } as const;
  const report = (operator: string, slot: number, over: object = {}): Report =>
    ({ ...vote(operator, slot, null, { outcome: aborted, result: null }), limit, ...over }) as never;
  const trustedReport = (over: object = {}): Report =>
    ({ ...own(null, { outcome: aborted, result: null }), limit, ...over }) as never;
  const reached = (reports: Report[], under = policy) =>
    limitReached(under, { reports, trustedKeys: [trustedKey] }, { keys: {} });

  it('ends once the trusted worker and an operator report the same one', () => {
    expect(reached([report('ada', 0)])).toEqual({ limit, stands: false });
    expect(reached([report('ada', 0), trustedReport()])).toEqual({ limit, stands: true });
    expect(reached([report('ada', 0), trustedReport({ limit: { ...limit, max: 11 } })])).toEqual({
      limit,
      stands: false,
    });
    expect(reached([trustedReport()])).toBeUndefined();
    // A trusted worker speaks for no operator, by whichever of its marks.
    for (const over of [{ worker: trustedKey }, { slot: 'trusted' }, { role: 'trusted-worker' }])
      expect(reached([report('ada', 0, over)])).toBeUndefined();
    expect(reached([report('ada', 0, { limit: undefined })])).toBeUndefined();
    expect(reached([report('ada', 0), vote('bob', 1, A)])).toBeUndefined();
  });

  it('that varies ends once N operators report it', () => {
    const varies = { limit: { name: 'seconds', max: 10 } };
    const [ada, bob] = [report('ada', 0, varies), report('bob', 1, varies)];
    expect(reached([ada, trustedReport(varies)])).toBeUndefined();
    expect(reached([ada, bob, trustedReport(varies)])).toEqual({ ...varies, stands: true });
  });

  it('without a co-signature ends once all operators of one round report it', () => {
    const three = ['ada', 'bob', 'cyd'].map((operator, slot) => report(operator, slot));
    expect(reached(three, open)).toEqual({ limit, stands: true });
    expect(reached(three.slice(0, 2), open)).toBeUndefined();
    expect(reached([...three.slice(0, 2), report('cyd', 0, { round: 2 })], open)).toBeUndefined();
    expect(reached([...three.slice(0, 2), report('ada', 2)], open)).toBeUndefined();
  });
});
