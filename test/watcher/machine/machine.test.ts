import { describe, expect, it } from 'vitest';
import type { VerdictLevel } from '../../../src/protocol/documents/index.ts';
import { watchLimits } from '../../../src/watcher/machine/limits.ts';
import { jobStatuses } from '../../../src/watcher/machine/state.ts';
import { type Proof, statusCharsMax, statusOfAll } from '../../../src/watcher/machine/status.ts';
import { badgeOf } from '../../../src/watcher/machine/view.ts';
import { watchNodeLimits } from '../../../src/watcher/node/limits.ts';
import { standsOf } from '../../../src/watcher/sessions/run-states.ts';
import { Bench, commit, rule, settingsOf } from '../watch-support.ts';

const main = 'refs/heads/main';
const begun = (settings = settingsOf()) => new Bench(settings).refs({ [main]: 1 }, true);
const stand = (run: string, state: string, level: VerdictLevel | null) => ({ run, state, level });

describe('a push', () => {
  it('is published by the first rule that is about it, and what was there before is not', () => {
    const bench = begun(
      settingsOf({ rules: [rule(), rule({ name: 'all', branches: ['**'], job: 'test' })] }),
    );
    expect(bench.orders()).toEqual([]);
    bench.push(main, 2).refs({ 'refs/heads/topic/a': 3, 'refs/tags/v1': 4 });
    expect(bench.orders()).toMatchObject([
      { ref: main, commit: commit(2), base: commit(1), job: null, floor: false },
      { ref: 'refs/heads/topic/a', commit: commit(3), base: null, job: 'test' },
    ]);
    expect(bench.refs({ [main]: 2 }).orders()).toEqual([]);
  });

  it('of no rule is not published', () => {
    expect(
      begun(settingsOf({ rules: [] }))
        .push(main, 2)
        .orders(),
    ).toEqual([]);
  });

  it('ends the runs of the commit before, also when those are known later only', () => {
    const bench = begun().push(main, 2);
    const [first] = bench.orders();
    bench
      .published(first as never, 'a', 'b')
      .say({ kind: 'stands', stands: [stand('a', 'done', 'trusted')] });
    bench.push(main, 3);
    expect(bench.take('cancel')).toMatchObject([
      { runs: ['b'], reason: `superseded by ${commit(3).slice(0, 12)}` },
    ]);
    const [second] = bench.orders();
    bench.push(main, 4);
    expect(bench.take('cancel')).toEqual([]);
    bench.published(second as never, 'c');
    expect(bench.take('cancel')).toMatchObject([{ runs: ['c'] }]);
    bench.say({ kind: 'cancel-failed', id: second?.id ?? '' });
    expect(bench.take('cancel')).toEqual([]);
    bench.now += watchLimits.retryMs;
    expect(bench.say({ kind: 'tick' }).take('cancel')).toHaveLength(1);
  });

  it('goes on beside earlier ones where the rule says so', () => {
    const bench = begun(settingsOf({ rules: [rule({ supersede: false })] })).push(main, 2);
    bench.published(bench.orders()[0] as never, 'a').push(main, 3);
    expect(bench.take('cancel')).toEqual([]);
  });

  it('is compared with the last commit whose evidence was verified, whatever the controller says of others', () => {
    const bench = begun().push(main, 2);
    const [first] = bench.orders();
    bench.published(first as never, 'a').push(main, 3);
    const [second] = bench.orders();
    expect(second?.base).toBe(commit(1));
    bench.say({ kind: 'cancelled', id: first?.id ?? '' }).published(second as never, 'b');
    bench.say({ kind: 'stands', stands: [stand('b', 'done', 'trusted')] }).push(main, 4);
    const [third] = bench.orders();
    expect(third?.base).toBe(commit(1));
    bench.proven('b').push(main, 5);
    const [fourth] = bench.orders();
    expect(fourth?.base).toBe(commit(3));
    bench.say({ kind: 'cancelled', id: third?.id ?? '' }).published(fourth as never, 'd');
    bench.say({ kind: 'stands', stands: [stand('d', 'done', 'trusted')] }).proven('d');
    // A commit that is verified later does not take the place of a newer one.
    bench.say({ kind: 'proof', run: 'b', proof: { kind: 'missing', code: 'BUNDLE_NOT_FOUND' } }).proven('b');
    expect(bench.push(main, 6).orders()[0]?.base).toBe(commit(5));
  });

  it.each(['failed', 'disputed', null] as const)(
    'after one that came to %s is compared with the commit before that, so that it does not hide it',
    (level) => {
      const bench = begun().push(main, 2);
      bench.published(bench.orders()[0] as never, 'a', 'b');
      const ended = stand('b', level === null ? 'cancelled' : 'done', level);
      bench.say({ kind: 'stands', stands: [stand('a', 'done', 'trusted'), ended] }).push(main, 3);
      expect(bench.orders()[0]?.base).toBe(commit(1));
    },
  );

  it('after a commit whose verdict was revoked is compared with none', () => {
    const bench = begun().push(main, 2);
    bench.published(bench.orders()[0] as never, 'a');
    bench.say({ kind: 'stands', stands: [stand('a', 'done', 'trusted')] }).proven('a');
    bench.say({ kind: 'stands', stands: [{ ...stand('a', 'done', 'trusted'), revoked: true }] });
    expect(bench.push(main, 3).orders()[0]?.base).toBeNull();
  });

  it('beyond the bound is refused, with a status', () => {
    const bench = begun(settingsOf({ rules: [rule({ branches: ['**'], supersede: false })] }));
    const branches = Array.from({ length: watchLimits.publicationsOpenMax + 1 }, (_, n) => [
      `refs/heads/b${n}`,
      n + 9,
    ]);
    bench.refs(Object.fromEntries(branches));
    const last = bench.tell().get(`quorate/b${watchLimits.publicationsOpenMax}`);
    expect(last?.status).toMatchObject({ state: 'error', says: expect.stringMatching(/not published/) });
  });
});

describe('a status', () => {
  const word = 'the controller says: ';
  const levels = [
    [stand('a', 'waiting', null), 'pending', 'waiting: for the jobs that it needs'],
    [stand('a', 'building', null), 'pending', 'building'],
    [
      stand('a', 'agreed', 'agreed'),
      'pending',
      'agreed: operators built the same; it waits for the trusted worker',
    ],
    [
      stand('a', 'witnessing', 'agreed'),
      'pending',
      'agreed: operators built the same; it waits for witnesses of the log',
    ],
    [stand('a', 'done', 'trusted'), 'pending', 'trusted; its evidence is being verified'],
    [
      stand('a', 'done', 'failed'),
      'failure',
      'failed: the build failed at enough operators and at the trusted worker',
    ],
    [
      { ...stand('a', 'done', 'disputed'), reason: 'results-differ' },
      'failure',
      'disputed: operators came to different results',
    ],
    [
      { ...stand('a', 'done', 'unfinished'), reason: 'too-few' },
      'failure',
      'unfinished: too few operators built it',
    ],
    [
      {
        ...stand('a', 'building', null),
        account: { state: 'waiting' as const, reason: 'for an operator: none is connected' },
      },
      'pending',
      'waiting: for an operator: none is connected',
    ],
    [stand('a', 'lost', null), 'error', 'lost: the controller does not know it any more'],
    [stand('a', 'cancelled', null), 'error', 'cancelled'],
    [
      { ...stand('a', 'done', 'trusted'), revoked: true as const },
      'failure',
      'revoked: its verdict does not stand any more',
    ],
  ] as const;

  it.each(levels)('of %j is %s: %s', (stands, state, says) => {
    const bench = begun(settingsOf({ link: 'https://ci/{run}' })).push(main, 2);
    bench.published(bench.orders()[0] as never, 'a').tell();
    const told = bench.say({ kind: 'stands', stands: [stands] }).tell();
    expect(told.get('quorate/main/a')?.status).toEqual({
      state,
      says: `${word}${says}`,
      link: 'https://ci/a',
    });
    expect(told.get('quorate/main')?.status.state ?? 'pending').toBe(state);
  });

  const proofs: [Proof, string, string][] = [
    [
      { kind: 'trusted', cosigned: true, known: '' },
      'success',
      'trusted: operators built the same and the trusted worker co-signed',
    ],
    [
      { kind: 'trusted', cosigned: false, known: '' },
      'success',
      'trusted: operators built the same and witnesses signed the log; nobody co-signed',
    ],
    [{ kind: 'revoked', says: 'it steals', known: '' }, 'failure', 'revoked: it steals'],
    [
      { kind: 'missing', code: 'BUNDLE_NOT_FOUND' },
      'pending',
      `${word}trusted; not verified: the controller shows no evidence`,
    ],
    [{ kind: 'missing', code: 'KEY_ODD' }, 'pending', `${word}trusted; not verified: KEY_ODD`],
  ];

  it.each(proofs)('of evidence %j is %s: %s', (proof, state, says) => {
    const bench = begun().push(main, 2);
    bench.published(bench.orders()[0] as never, 'a');
    bench.say({ kind: 'stands', stands: [stand('a', 'done', 'trusted')] }).tell();
    const told = bench.say({ kind: 'proof', run: 'a', proof }).tell();
    if (state !== 'pending') expect(told.get('quorate/main/a')?.status).toEqual({ state, says });
    expect(jobStatuses([...bench.machine.state.publications.values()][0] as never).get('a')).toEqual({
      state,
      says,
    });
    expect(told.get('quorate/main')?.status.state ?? 'pending').toBe(state);
  });

  it('is not green by evidence where the controller says worse', () => {
    const bench = begun().push(main, 2);
    bench.published(bench.orders()[0] as never, 'a').proven('a');
    bench.say({ kind: 'stands', stands: [stand('a', 'done', 'disputed')] });
    expect(bench.tell().get('quorate/main')?.status.state).toBe('failure');
  });

  it('of the whole is green when the evidence of each job was verified, and not before', () => {
    const bench = begun().push(main, 2);
    bench.published(bench.orders()[0] as never, 'a', 'b');
    const whole = () => bench.tell().get('quorate/main')?.status;
    bench.say({ kind: 'stands', stands: [stand('a', 'done', 'trusted'), stand('b', 'agreed', 'agreed')] });
    expect(bench.proven('a') && whole()).toEqual({
      state: 'pending',
      says: `${word}agreed, waiting for the trusted worker`,
    });
    bench.say({ kind: 'stands', stands: [stand('b', 'done', 'trusted')] });
    expect(whole()).toEqual({ state: 'pending', says: `${word}trusted; its evidence is being verified` });
    expect(bench.proven('b') && whole()).toEqual({ state: 'success', says: 'trusted' });
    bench.say({ kind: 'stands', stands: [{ ...stand('a', 'done', 'trusted'), revoked: true }] });
    expect(whole()).toEqual({ state: 'failure', says: `${word}1 of 2 revoked` });
    // Each by the name that every page gives it.
    bench.say({ kind: 'stands', stands: [stand('b', 'done', 'disputed')] });
    expect(whole()?.says).toBe(`${word}1 of 2 revoked, 1 of 2 disputed`);
    bench.say({ kind: 'stands', stands: [stand('a', 'lost', null), stand('b', 'lost', null)] });
    expect(whole()).toEqual({ state: 'error', says: `${word}2 of 2 lost` });
  });

  it('of a pipeline without a job is not green', () => {
    expect(statusOfAll([])).toMatchObject({ state: 'pending' });
  });

  it('is told again when the forge could not take it, ever more slowly, and at last not any more', () => {
    const bench = begun().push(main, 2);
    let told = bench.take('status');
    let tries = 0;
    for (; told.length > 0; tries++) {
      const [{ key = '' } = {}] = told;
      bench.say({ kind: 'status-failed', key, message: 'no', again: true });
      expect(bench.take('status')).toEqual([]);
      bench.now = Math.max(bench.machine.nextDeadline() ?? 0, bench.now);
      told = bench.say({ kind: 'tick' }).take('status');
    }
    expect(tries).toBe(watchLimits.statusTriesMax);
  });

  it('that changed while the forge was told is told after it', () => {
    const bench = begun().push(main, 2);
    const [first] = bench.take('status');
    bench.published(bench.orders()[0] as never, 'a');
    expect(bench.take('status').map(({ context }) => context)).toEqual(['quorate/main/a']);
    bench.say({ kind: 'status-set', key: first?.key ?? '', status: first?.status as never });
    expect(bench.take('status')).toMatchObject([
      { context: 'quorate/main', status: { says: 'the controller says: 0 of 1 trusted, 0 agreed' } },
    ]);
  });
});

describe('after a crash', () => {
  it('an order without an answer is given again, the same as before', () => {
    const bench = begun().push(main, 2);
    const orders = bench.orders();
    const told = bench.take('status');
    bench.now += 3_600_000;
    bench.restart();
    expect(bench.orders()).toEqual(orders);
    expect(bench.take('status')).toEqual(told);
  });

  it('an answered order is not given again, and the state is the same', () => {
    const bench = begun().push(main, 2);
    bench
      .published(bench.orders()[0] as never, 'a')
      .say({ kind: 'stands', stands: [stand('a', 'done', 'trusted')] });
    bench.tell();
    const { state } = bench.machine;
    bench.restart(settingsOf());
    expect(bench.effects).toEqual([]);
    expect(bench.machine.state).toEqual(state);
  });

  it('an event that changes nothing is not in the journal', () => {
    const bench = begun();
    const kept = bench.journal.length;
    bench
      .refs({ [main]: 1 })
      .say({ kind: 'tick' })
      .say({ kind: 'configured', settings: settingsOf() });
    bench.say({ kind: 'stands', stands: [stand('x', 'done', 'trusted')] });
    expect(bench.journal).toHaveLength(kept);
    // A start gives outstanding effects their turns anew, which a replay has to do at the same place.
    expect(bench.say({ kind: 'started' }).journal).toHaveLength(kept + 1);
  });
});

describe('other rules', () => {
  it('of another repository begin anew', () => {
    const bench = begun().push(main, 2);
    bench.published(bench.orders()[0] as never, 'a').tell();
    bench.restart(settingsOf({ url: 'git://127.0.0.1/other' }));
    expect([bench.orders(), bench.take('status'), bench.machine.state.watching]).toEqual([[], [], false]);
    const { tips, baselines, publications, statuses } = bench.machine.state;
    expect([tips, baselines, publications, statuses].map(({ size }) => size)).toEqual([0, 0, 0, 0]);
    expect(bench.refs({ [main]: 1 }, true).orders()).toEqual([]);
  });

  it('hold from the next push on', () => {
    const bench = begun();
    bench.restart(settingsOf({ rules: [rule({ job: 'other' })] })).push(main, 2);
    expect(bench.orders()).toMatchObject([{ job: 'other' }]);
  });
});

describe('a rule with times', () => {
  const nightly = rule({ name: 'nightly', cron: '0 3 * * *', rebuild: true });

  it('publishes the tips at its time, once however many were missed, and is not for pushes', () => {
    const bench = begun(settingsOf({ rules: [nightly] })).push(main, 2);
    expect(bench.orders()).toEqual([]);
    const due = bench.machine.nextDeadline() ?? 0;
    expect(new Date(due).toISOString()).toMatch(/T03:00:00\.000Z$/);
    bench.now = due - 1;
    expect(bench.say({ kind: 'tick' }).orders()).toEqual([]);
    bench.now = due + 3 * 86_400_000;
    expect(bench.say({ kind: 'tick' }).orders()).toMatchObject([
      { ref: main, commit: commit(2), base: null, rebuild: true },
    ]);
    expect(bench.say({ kind: 'tick' }).orders()).toEqual([]);
  });

  it('and one job does not stand for all: status and badge of the branch stay', () => {
    const bench = begun(settingsOf({ rules: [rule(), { ...nightly, job: 'lint' }] })).push(main, 2);
    bench.published(bench.orders()[0] as never, 'a', 'b');
    bench.say({ kind: 'stands', stands: [stand('a', 'done', 'trusted'), stand('b', 'done', 'failed')] });
    bench.tell();
    bench.now = bench.machine.nextDeadline() ?? 0;
    const [timed] = bench.say({ kind: 'tick' }).orders();
    bench.published(timed as never, 'c').say({ kind: 'stands', stands: [stand('c', 'done', 'trusted')] });
    const told = bench.tell();
    expect([...told.keys()].sort()).toEqual(['quorate:cron/nightly/main', 'quorate:cron/nightly/main/c']);
    expect(badgeOf(bench.machine.state, main)).toEqual({ level: 'failed', commit: commit(2) });
  });
});

describe('a publication that could not be made', () => {
  it('is tried again, until its request would not be valid any more', () => {
    const bench = begun().push(main, 2);
    const begunAt = bench.now;
    const [first] = bench.orders();
    let tries = 1;
    for (;;) {
      bench.say({
        kind: 'refused',
        id: first?.id ?? '',
        code: 'CONTROLLER_UNREACHABLE',
        message: 'no',
        again: true,
      });
      bench.now = Math.max(bench.machine.nextDeadline() ?? 0, bench.now);
      if (bench.say({ kind: 'tick' }).orders().length === 0) break;
      tries++;
    }
    expect(tries).toBe(watchLimits.publishTriesMax);
    expect(bench.now - begunAt).toBeLessThan(watchNodeLimits.requestSeconds * 1000);
    expect(bench.tell().get('quorate/main')?.status).toEqual({
      state: 'error',
      says: 'not published: CONTROLLER_UNREACHABLE: no',
    });
  });
});

it('runs that are too old for the list of the controller are all asked for in turn, however long the oldest are open', async () => {
  const bench = new Bench().refs({ 'refs/heads/main': 1 }, true).push('refs/heads/main', 2);
  const runs = Array.from({ length: 45 }, (_, n) => `run-${n}`);
  bench.published(bench.orders()[0] as never, ...runs);
  const shown: string[] = [];
  const client = {
    jobs: async () => ({ jobs: [], equivocations: [] }),
    show: async (run: string) => {
      shown.push(run);
      return { summary: { run, state: 'building', level: null } };
    },
  } as unknown as Parameters<typeof standsOf>[0];
  const asked = new Set<string>();
  for (let look = 0; look < 3; look++) await standsOf(client, bench.machine.state, asked);
  expect(shown).toEqual(runs);
  await standsOf(client, bench.machine.state, asked);
  expect(shown.slice(runs.length)).toEqual(runs.slice(0, 20));
});

it('a publication that touches nothing is over, and one that was stopped meanwhile says that', () => {
  for (const isStopped of [false, true]) {
    const bench = new Bench().refs({ 'refs/heads/main': 1 }, true).push('refs/heads/main', 2);
    const [order] = bench.orders();
    if (isStopped) bench.push('refs/heads/main', 3);
    const id = order?.id ?? '';
    const before = bench.journal.length;
    bench.say({ kind: 'unaffected', id, says: 'no path' });
    expect(bench.journal.length).toBe(before + 1);
    const { phase, unaffected, busy } = bench.machine.state.publications.get(id) ?? {};
    expect([phase, unaffected, busy]).toEqual(['ended', !isStopped, false]);
    // It is told once.
    bench
      .say({ kind: 'unaffected', id, says: 'no path' })
      .say({ kind: 'unaffected', id: 'x', says: 'no path' });
    expect(bench.journal.length).toBe(before + 1);
  }
});

it('a ref that is gone is forgotten with its baseline, once', () => {
  const bench = new Bench().refs({ 'refs/heads/main': 1, 'refs/heads/other': 1 }, true);
  const { state } = bench.machine;
  const before = bench.journal.length;
  bench.refs({ 'refs/heads/other': null });
  expect([[...state.tips.keys()], [...state.baselines.keys()]]).toEqual([
    ['refs/heads/main'],
    ['refs/heads/main'],
  ]);
  expect(bench.journal.length).toBe(before + 1);
  bench.refs({ 'refs/heads/other': null });
  expect(bench.journal.length).toBe(before + 1);
});

it('a status has 140 characters at most, the last of which says that more was said', () => {
  const said = (message: string): string => {
    const bench = begun().push(main, 2);
    const [order] = bench.orders();
    bench.say({ kind: 'refused', id: order?.id ?? '', code: 'JOBFILE_INVALID', message, again: false });
    return [...bench.machine.state.statuses.values()].map(({ wanted }) => wanted.says).join();
  };
  const around = said('x').length - 1;
  const [longest, more, most] = [0, 1, 300].map((by) => said('x'.repeat(statusCharsMax - around + by)));
  expect([longest?.length, more?.length, most?.length]).toEqual([140, 140, 140]);
  expect([longest?.at(-1), more?.at(-1), most?.at(-1)]).toEqual(['x', '…', '…']);
});
