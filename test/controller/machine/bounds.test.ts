import { describe, expect, it } from 'vitest';
import { jobNamed } from '../../../simulations/paperwork.ts';
import { precedes, type RunFacts } from '../../../src/controller/machine/facts.ts';
import { publisherLapsed, putInForce } from '../../../src/controller/machine/members/charter.ts';
import { fullKeys, slotsAsked } from '../../../src/controller/machine/members/revocations.ts';
import { hear, leave, Presence } from '../../../src/controller/machine/presence.ts';
import { membersPage, rankOf } from '../../../src/controller/machine/queries/members.ts';
import { pipelineOf, summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { endAheadOfClock } from '../../../src/controller/machine/rounds/expire.ts';
import { mayLeaseAgain } from '../../../src/controller/machine/rounds/leases.ts';
import { checkOrder } from '../../../src/controller/machine/rounds/open-run.ts';
import { ControllerState, Transition } from '../../../src/controller/machine/state.ts';
import { differingFiles } from '../../../src/controller/machine/verdicts/results.ts';
import { afterFailure } from '../../../src/protocol/account/told-facts.ts';
import { secondsOfIso } from '../../../src/protocol/base/time.ts';
import { type Charter, signMessage, type Verified } from '../../../src/protocol/documents/index.ts';
import { codeOf } from '../../support/code-and-folder.ts';
import { makeCharter } from '../../support/documents.ts';
import { type Bench, built, deliverAll, leasedRound, projectOf, timings } from './bench.ts';
import { publish } from './pipelines.ts';

const at = (bench: Bench, now = bench.now, rules = 3): Transition =>
  new Transition(bench.controller.state, now, rules);

it.each([
  [1, 2, true],
  [2, 2, false],
  [3, 2, false],
])('leaf %i comes before leaf %i: %s', (index, other, before) => {
  expect(precedes(index, other)).toBe(before);
});

describe('alarms', () => {
  it('are kept of the newest 1,000 runs', () => {
    const state = new ControllerState('controller', 'idp');
    const raise = (n: number) => {
      const run = { id: `run ${n}`, history: [] } as unknown as RunFacts;
      new Transition(state, 0, 3).tell(run, { kind: 'contradicted', round: 1, artifact: 'a', trusted: null });
    };
    for (let n = 0; n < 1_000; n++) raise(n);
    // Raised again it is the newest.
    raise(0);
    expect(state.alarms.size).toBe(1_000);
    raise(1_000);
    expect(state.alarms.size).toBe(1_000);
    expect([state.alarms.has('run 0'), state.alarms.has('run 1')]).toEqual([true, false]);
  });
});

describe('leases that were heard of', () => {
  it('are forgotten once 1,000 more are over than twice those that are live', () => {
    const known = { presence: new Presence(0), leases: new Map([['live', 'run']]) };
    hear(known, 'live', 0);
    for (let n = 0; n < 1_001; n++) hear(known, `over ${n}`, 0);
    expect(known.presence.heard.size).toBe(1_002);
    hear(known, 'last', 0);
    expect([...known.presence.heard.keys()]).toEqual(['live', 'last']);
  });
});

describe('a worker that lost its connection', () => {
  it('is remembered for 20 s, as long as it may take to come back', () => {
    const presence = new Presence(0);
    const goes = (id: string, now: number) => {
      presence.workers.set(id, {} as never);
      leave(presence, id, now);
      return [...presence.gone.keys()];
    };
    goes('ada', 0);
    expect(goes('bob', 20_000)).toEqual(['ada', 'bob']);
    expect(goes('cy', 20_001)).toEqual(['bob', 'cy']);
    // One that was never here has not gone.
    leave(presence, 'eve', 20_001);
    expect([...presence.gone.keys()]).toEqual(['bob', 'cy']);
  });
});

describe('members', () => {
  it('are told page by page, with how each stands', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const { state } = bench.controller;
    await bench.revoke({ kind: 'operator', id: 'bob' });
    const names = ['trusted', 'ada', 'bob', 'cy'];
    const page = (max: number, after?: string) => {
      const { members, next } = membersPage(state, max, after === undefined ? undefined : bench.id(after));
      return [members.map(({ key }) => bench.nameOf(key)), next === null ? null : bench.nameOf(next)];
    };
    expect(page(2)).toEqual([['trusted', 'ada'], 'ada']);
    expect(page(2, 'ada')).toEqual([['bob', 'cy'], null]);
    expect(page(4)).toEqual([names, null]);
    expect(page(3)).toEqual([names.slice(0, 3), 'bob']);
    expect(page(4, 'cy')).toEqual([[], null]);
    expect(membersPage(state, 4).members.map(({ state: stands }) => stands)).toEqual([
      ...['member', 'member', 'revoked', 'member'],
    ]);
    expect(membersPage(state, 1).members[0]).toMatchObject({ operator: 'trusted', role: 'trusted-worker' });
  });

  it('rank as owners where they publish or co-sign, and as guests once they are revoked', async () => {
    const bench = await projectOf('ada', 'bob');
    await bench.enrol('pub', { role: 'publisher' });
    await bench.enrol('reader', { role: 'reader' });
    await bench.revoke({ kind: 'operator', id: 'bob' });
    const ranks = ['trusted', 'pub', 'ada', 'reader', 'bob', 'nobody'].map((name) =>
      rankOf(bench.controller.state, bench.id(name)),
    );
    expect(ranks).toEqual(['owner', 'owner', 'member', 'member', 'guest', 'guest']);
  });

  it('that joined with a ticket of a thief are dismissed: those at the leaf of the end, and not those at its own', async () => {
    const bench = await projectOf('ada');
    const { state } = bench.controller;
    // A second host of an operator adds no leaf.
    const second = (key: string) => bench.enrol(key, { operator: 'ada', hosts: 3, invite: 'i'.repeat(22) });
    await second('first');
    await second('second');
    const since = state.log.size;
    const stands = () => membersPage(state, 9).members.at(-1)?.state;
    const end = (from: number) =>
      bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root', since: from });
    await end(since);
    // Its end is the next leaf: nothing came between.
    expect(stands()).toBe('member');
    const other = await projectOf('ada');
    await other.enrol('first', { operator: 'ada', hosts: 3, invite: 'i'.repeat(22) });
    const from = other.controller.state.log.size;
    await other.members('bob');
    await other.revoke({ kind: 'key', id: other.id('idp') }, { as: 'root', since: from });
    const states = membersPage(other.controller.state, 9).members.map(({ state: one }) => one);
    expect(states.slice(-2)).toEqual(['dismissed', 'dismissed']);
  });
});

it('the slots that rounds have are those of the charter and of the 50 runs that were asked for last', () => {
  const runs = [...Array(49).fill(3), 7, 9].map((of: number) => ({
    request: { payload: { policy: { of } } },
  }));
  const charter = { payload: { floor: { of: 4 }, testFloor: { of: 5 } } };
  const asked = (all: unknown[], of: unknown = charter) =>
    slotsAsked({ charter: of, index: { latest: () => all.values() } } as unknown as ControllerState);
  expect(asked(runs)).toBe(7);
  expect(asked(runs.slice(1))).toBe(9);
  expect(asked([])).toBe(5);
  expect(asked([], { payload: { floor: { of: 4 } } })).toBe(4);
  expect(asked([], null)).toBe(0);
});

it('a pipeline is shown with 100 jobs at most', async () => {
  const bench = await projectOf();
  const lib = await publish(bench, 'lib');
  for (let n = 0; n < 99; n++) await publish(bench, `app ${n}`, { needs: { lib: [lib] } });
  const { state } = bench.controller;
  expect(pipelineOf(state, bench.facts(lib))).toHaveLength(100);
  await publish(bench, 'one more', { needs: { lib: [lib] } });
  expect(pipelineOf(state, bench.facts(lib))).toHaveLength(100);
});

describe('a worker that takes no slot', () => {
  const pass = (bench: Bench, key: string) =>
    bench.send({
      kind: 'passed',
      worker: bench.id(key),
      offer: bench.run(bench.offer.request).rounds.at(-1)?.offerId ?? '',
      reason: 'no',
    });

  it('is told of 16 operators of a round', async () => {
    const bench = await projectOf('ada', 'bob');
    const run = await bench.submit();
    for (let n = 0; n < 15; n++) bench.run(run).rounds[0]?.passed.add(`operator ${n}`);
    pass(bench, 'ada');
    pass(bench, 'ada');
    pass(bench, 'bob');
    expect(bench.progress(run, 'passed').map(({ operator }) => operator)).toEqual(['ada']);
  });

  it('for its version is told of 16 workers, by the controller', async () => {
    const bench = await projectOf();
    const keys = Array.from({ length: 17 }, (_, n) => `worker-${n}`);
    await bench.members(...keys);
    bench.presentAs(null, ...keys);
    const run = await bench.submit();
    expect(bench.all('raise').filter(({ event }) => event.kind === 'passed')).toHaveLength(16);
    expect(bench.progress(run, 'passed')).toHaveLength(16);
  });
});

describe('a claim that is repeated', () => {
  it.each([
    [600, 'none'],
    [601, 'lazy'],
  ])('with a grant that is good for %i s longer is another event: %s', async (longer, durability) => {
    const bench = await projectOf('ada', 'bob');
    await bench.submit();
    await bench.claim('ada');
    const claimed = bench.journal.findLast(({ event }) => event.kind === 'claim')?.event;
    if (claimed?.kind !== 'claim') throw new Error('it was claimed');
    const { grant } = claimed;
    const later = { ...grant, payload: { ...grant.payload, exp: grant.payload.exp + longer } };
    bench.send({ ...claimed, token: 'again', grant: later });
    expect(bench.lastReply('again')).toEqual({ kind: 'standby' });
    expect(bench.durability).toBe(durability);
  });
});

describe('a claim that waited', () => {
  it.each([
    [-60, 'lease'],
    [-61, 'error'],
  ])('gets a slot while its grant ended %i s ago at most: %s', async (seconds, kind) => {
    const bench = await projectOf('ada', 'bob');
    const run = await bench.submit();
    const token = await bench.claim('ada');
    const [candidate] = bench.run(run).rounds[0]?.candidates ?? [];
    if (candidate === undefined) throw new Error('it waits');
    const exp = Math.floor((bench.now + timings.windowMs) / 1000) + seconds;
    candidate.grant = { ...candidate.grant, payload: { ...candidate.grant.payload, exp } };
    bench.drive(timings.windowMs);
    expect(bench.lastReply(token)).toMatchObject(kind === 'lease' ? { kind } : { kind, code: 'DOC_EXPIRED' });
  });
});

describe('a slot whose lease was lost', () => {
  it('is leased again until a lease that was taken at the last moment is over', async () => {
    const { bench, run } = await leasedRound();
    const whole = bench.run(run);
    const [round] = whole.rounds;
    if (round === undefined) throw new Error('it has a round');
    const { windowMs, slotFillMs, leaseOverheadMs } = timings;
    const end = round.openedAt + windowMs + slotFillMs + whole.job.limits.seconds * 1000 + leaseOverheadMs;
    const may = (now: number, slot: 0 | 'trusted' = 0) => mayLeaseAgain(at(bench, now), whole, round, slot);
    expect([may(end - 1), may(end), may(end, 'trusted')]).toEqual([true, false, true]);
    round.leasesGiven[0] = 3;
    expect(may(end - 1)).toBe(true);
    round.leasesGiven[0] = 4;
    expect(may(end - 1)).toBe(false);
    whole.trustedLeases = 3;
    expect(may(end, 'trusted')).toBe(true);
    whole.trustedLeases = 4;
    expect(may(end, 'trusted')).toBe(false);
  });
});

describe('trusted workers of which one lost the slot', () => {
  it.each<
    [string, { lost: number; other?: number; past?: number; isThere?: boolean; hasJoined?: boolean }, string]
  >([
    ['once, while another one is there', { lost: 1 }, 'error'],
    ['until the time is up that the other one has', { lost: 1, past: 599_999 }, 'error'],
    ['once that is up', { lost: 1, past: 600_000 }, 'lease'],
    ['as often as the other one', { lost: 1, other: 1 }, 'lease'],
    ['once, while no other one is there', { lost: 1, isThere: false }, 'lease'],
    ['twice, while no other one is there', { lost: 2, isThere: false }, 'lease'],
    ['all but once, while another one may come', { lost: 3, isThere: false }, 'error'],
    [
      'all but once, where the other one never joined',
      { lost: 3, isThere: false, hasJoined: false },
      'lease',
    ],
  ])('%s: %o %s', async (_name, { lost, other, past = 0, isThere = true, hasJoined = true }, kind) => {
    const bench = await projectOf('ada');
    const trusted = [bench.id('trusted'), bench.id('second')];
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, trusted }) });
    if (hasJoined) await bench.enrol('second', { role: 'trusted-worker', operator: 'second' });
    if (isThere) bench.present('second');
    const run = bench.run(await bench.submit());
    const until = bench.now + 600_000;
    run.passedOver.set(bench.id('trusted'), { lost, until, refused: false });
    if (other !== undefined) run.passedOver.set(bench.id('second'), { lost: other, until, refused: false });
    bench.now += past;
    expect(bench.lastReply(await bench.claim('trusted')).kind).toBe(kind);
  });
});

describe('a charter', () => {
  it('is in force where its epoch is above that of the one before, and names its keys in any case', () => {
    const state = new ControllerState('controller', 'idp');
    const put = (id: string, epoch: number) => {
      const payload = makeCharter({ epoch, trusted: [id] });
      putInForce(state, { id, raw: '', signer: '', payload } as Verified<Charter>);
      return state.charter?.id;
    };
    expect([put('a', 2), put('b', 2), put('c', 1), put('d', 3)]).toEqual(['a', 'a', 'a', 'd']);
    expect(['a', 'b', 'c', 'd'].every((key) => state.named.has(key))).toBe(true);
  });
});

describe('the keys of an identity provider', () => {
  it.each(['tickets', 'joins'] as const)('are full by their %s, and the root is not', async (of) => {
    const bench = await projectOf('ada');
    const { state } = bench.controller;
    const max = { tickets: 10_000, joins: 100_000 }[of];
    state[of].set(bench.id('idp'), max - 1);
    expect(fullKeys(state)).toEqual([]);
    state[of].set(bench.id('idp'), max);
    expect(fullKeys(state)).toEqual([bench.id('idp')]);
    state.charter = null;
    expect(fullKeys(state)).toEqual([]);
  });
});

describe('a publisher', () => {
  it('may be answered until its request ended, and as much later as clocks may differ', async () => {
    const bench = await projectOf('ada');
    const run = bench.run(await bench.submit());
    const { exp } = run.request.payload;
    const lapsed = (seconds: number, rules = 3) => publisherLapsed(at(bench, seconds * 1000, rules), run);
    expect(lapsed(exp + 60)).toBeUndefined();
    expect(lapsed(exp + 61)).toContain('its request, which has ended');
    expect(lapsed(exp + 61, 2)).toBeUndefined();
    const end = run.publisher.payload.exp;
    run.request = { ...run.request, payload: { ...run.request.payload, exp: end + 600 } };
    expect(lapsed(end + 60)).toBeUndefined();
    expect(lapsed(end + 61)).toContain('the grant of its publisher (GRANT_NOT_VALID_THEN)');
  });
});

it('a draft is made again where it is later than the clock by more than clocks may differ', async () => {
  const { bench, run, leases, trusted } = await leasedRound();
  bench.beat(
    [...leases, ...(trusted === undefined ? [] : [['trusted', trusted] as const])].map(([key, lease]) => [
      key,
      lease,
    ]),
  );
  bench.drive(10_000);
  await bench.deliver('trusted', trusted);
  await deliverAll(bench, leases, []);
  bench.pinned(run);
  const draft = () => {
    const { phase } = bench.run(run);
    return phase.kind === 'cosigning' ? phase.draft : expect.fail('it waits for a signature');
  };
  const first = draft();
  const made = secondsOfIso(first.payload.predicate.timeVerified);
  endAheadOfClock(at(bench, (made - 60) * 1000), bench.run(run));
  expect(draft().id).toBe(first.id);
  endAheadOfClock(at(bench, (made - 61) * 1000), bench.run(run));
  expect(draft().id).not.toBe(first.id);
});

it('files that differ are named up to 20, and counted', () => {
  const listing = (digest: string, count: number) => ({
    payload: {
      predicate: { quorate_receipt: { outcome: built } },
      subject: [
        { name: 'whole', digest: { sha256: digest } },
        ...Array.from({ length: count }, (_, n) => ({
          name: `${n}`.padStart(2, '0'),
          digest: { sha256: digest },
        })),
        { name: 'same', digest: { sha256: 'same' } },
      ],
    },
  });
  const of = (count: number) =>
    differingFiles([listing('a', count), listing('b', count)] as unknown as Parameters<
      typeof differingFiles
    >[0]);
  expect(of(20).files).toHaveLength(20);
  expect(of(21)).toMatchObject({ count: 21 });
  expect(of(21).files).toEqual(of(20).files);
});

it('a request to another controller of the charter is refused', async () => {
  const bench = await projectOf();
  await bench.enrol('pub', { role: 'publisher' });
  const controllers = [bench.paper.controller.id, bench.id('second')];
  bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, controllers }) });
  const work = jobNamed('app');
  const policy = { agree: 2, of: 3, cosign: 'required', rounds: 2 } as const;
  const asked = (await bench.paper.request('pub', work, bench.now, { policy })).payload;
  const ask = async (aud: string) => {
    const request = await signMessage('request', { ...asked, aud }, bench.paper.keys.signer('pub'));
    const order = { request, publisher: bench.grantOf('pub'), ...work };
    return codeOf(() => checkOrder(at(bench), order));
  };
  expect(await ask(bench.id('second'))).toBe('REQUEST_AUDIENCE_MISMATCH');
  expect(await ask(bench.paper.controller.id)).toBeUndefined();
});

it('the words of others are kept up to a length', async () => {
  const [failure] = afterFailure([], {
    kind: 'cosign-refused',
    worker: 'w',
    code: 'X',
    message: 'y'.repeat(400),
  });
  expect(failure?.says).toHaveLength(300);
  const bench = await projectOf();
  const run = await bench.submit();
  const token = 'cancel';
  const by = bench.id('publisher');
  bench.send({ kind: 'cancel', token, which: run, by, reason: 'z'.repeat(600) });
  expect(summaryOf(bench.controller.state, bench.facts(run)).cancelled).toHaveLength(500);
  expect(pipelineOf(bench.controller.state, bench.facts(run))[0]?.cancelled).toHaveLength(500);
});
