import { describe, expect, it } from 'vitest';
import { isOver } from '../../../src/controller/machine/facts.ts';
import { artifactLevel, provingRun, summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import {
  A,
  B,
  type Bench,
  built,
  deliverAll,
  failed,
  leasedRound,
  other,
  projectOf,
  timings,
} from './bench.ts';
import { verified } from './evidence.ts';

const test = { kind: 'test', policy: { cosign: 'none' } } as const;
const failedWith = (artifact: string) => ({ ...failed, artifact }) as typeof failed;
const exits = (code: number) => ({ ...failed, code }) as typeof failed;
const open = { agree: 2, of: 3, cosign: 'none', rounds: 8 } as const;
const tight = { ...open, cosign: 'required' } as const;

async function floors(bench: Bench, over: object): Promise<void> {
  bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, floor: tight, ...over }) });
}

describe('a build that failed', () => {
  it('has no files: its receipt is refused', async () => {
    const { bench, leases } = await leasedRound();
    const [ada] = leases;
    if (ada === undefined) throw new Error('a lease');
    const reply = await bench.deliver(ada[0], ada[1], failedWith(A));
    expect(reply).toMatchObject({ kind: 'error', code: 'RECEIPT_FAILED_WITH_FILES' });
  });
});

describe('a test that nobody co-signs', () => {
  it('passes as N operators say, with reports that are no artifact', async () => {
    const { bench, run, leases } = await leasedRound(test);
    await deliverAll(bench, leases, [built, other, built]);
    bench.pinned(run);
    expect(bench.result(run)).toMatchObject({ level: 'trusted', outcome: built });
    expect(bench.progress(run, 'verdict')).toEqual([
      { kind: 'verdict', level: 'trusted', artifact: null, reports: A, cosigned: false },
    ]);
    const summary = summaryOf(bench.controller.state, bench.facts(run));
    expect(summary).toMatchObject({ test: true, artifact: null, reports: A, cosigned: false });
    expect(bench.result(run).verdict?.predicate).toMatchObject({
      verifiedLevels: ['QUORATE_TEST_TRUSTED_NOT_COSIGNED'],
      quorate_verdict: { kind: 'test' },
    });
    expect(await verified(bench, run)).toBe('trusted');
  });

  it('has failed at once where N operators came to the same failure', async () => {
    const { bench, run, leases } = await leasedRound(test, 'dan', 'eve');
    await deliverAll(bench, leases, [failed, built, failed]);
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'failed', outcome: failed });
    expect(bench.facts(run).rounds).toHaveLength(1);
    const [said] = bench.progress(run, 'failed');
    expect(said?.by.length).toBe(2);
    expect(bench.progress(run, 'verdict')).toEqual([
      { kind: 'verdict', level: 'failed', artifact: null, cosigned: false },
    ]);
    expect(await verified(bench, run)).toBe('failed');
  });

  it('has failed with the result files that N operators came to, which are kept as reports', async () => {
    const { bench, run, leases } = await leasedRound(test, 'dan', 'eve');
    await deliverAll(bench, leases, [failedWith(A), failedWith(B), failedWith(A)]);
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'failed', outcome: failedWith(A) });
    expect(bench.progress(run, 'verdict')).toEqual([
      { kind: 'verdict', level: 'failed', artifact: null, reports: A, cosigned: false },
    ]);
    const [revealed] = bench.progress(run, 'revealed');
    expect(revealed?.results.map(({ result, reports }) => [result, reports])).toEqual([
      ['exit 1', A],
      ['exit 1', B],
      ['exit 1', A],
    ]);
    expect(bench.all('keep').map(({ root }) => root)).toEqual(expect.arrayContaining([A, B]));
    expect(await verified(bench, run)).toBe('failed');
    expect(provingRun(bench.controller.state, A)).toBeUndefined();
    expect(artifactLevel(bench.controller.state, A)).toBe('none');
  });

  it('asks fresh operators where the same failure left other result files, and then says that they differ', async () => {
    const { bench, run, leases } = await leasedRound(test, 'dan', 'eve', 'fay');
    const each = [failedWith(A), failedWith(B), failed];
    await deliverAll(bench, leases, each);
    expect(bench.result(run)).toMatchObject({ state: 'building', level: null });
    await deliverAll(bench, await bench.lease('dan', 'eve', 'fay'), each);
    expect(bench.result(run)).toMatchObject({ level: 'disputed', ending: 'results-differ' });
  });

  it('asks fresh operators where each failed in another way, and then says that they differ', async () => {
    const { bench, run, leases } = await leasedRound(test, 'dan', 'eve', 'fay');
    await deliverAll(bench, leases, [exits(1), exits(2), exits(3)]);
    expect(bench.result(run)).toMatchObject({ state: 'building', level: null });
    await deliverAll(bench, await bench.lease('dan', 'eve', 'fay'), [exits(1), exits(2), exits(3)]);
    expect(bench.result(run)).toMatchObject({ level: 'disputed', ending: 'results-differ' });
    expect(await verified(bench, run)).toBe('none');
  });

  it('that too few saw fail is unfinished for that', async () => {
    const { bench, run, leases } = await leasedRound({ ...test, policy: { cosign: 'none', rounds: 1 } });
    const [ada] = leases;
    if (ada === undefined) throw new Error('a lease');
    await bench.deliver(ada[0], ada[1], failed);
    bench.drive(600_000);
    expect(bench.result(run)).toMatchObject({ level: 'unfinished', ending: 'too-few' });
  });

  it('fails in a later round where nobody serves what N say it put out, and that bears a verdict', async () => {
    const { bench, run, leases } = await leasedRound(test, 'dan', 'eve');
    await deliverAll(bench, leases, [built, built, failed]);
    for (let tries = 0; tries < timings.pinTriesMax; tries++) {
      bench.pinned(run, false);
      bench.drive(timings.pinRetryMs);
    }
    await deliverAll(bench, await bench.lease('dan', 'eve'), [failed, failed]);
    bench.drive(timings.slotFillMs);
    expect(bench.result(run)).toMatchObject({ level: 'failed', outcome: failed });
    expect(await verified(bench, run)).toBe('failed');
  });

  it('that left no file stays agreed, and says what to do', async () => {
    const { bench, run, leases } = await leasedRound(test);
    const nothing = { ...built, artifact: null } as typeof built;
    await deliverAll(bench, leases, [nothing, nothing, nothing]);
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'agreed' });
    expect(bench.progress(run, 'unconfirmed')[0]?.says).toMatch(/left no file in \$OUT.*cosign: required/);
  });

  it('asks no trusted worker', async () => {
    const { bench } = await leasedRound(test);
    expect(bench.lastReply(await bench.claim('trusted'))).toMatchObject({ code: 'OFFER_CLOSED' });
  });

  it('keeps what it is when its documents have left memory', async () => {
    const { bench, run, leases } = await leasedRound(test);
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    bench.store(run);
    expect(bench.controller.state.finished.has(run)).toBe(true);
    const summary = () => summaryOf(bench.controller.state, bench.facts(run));
    expect(summary()).toMatchObject({ test: true, artifact: null, reports: A, cosigned: false });
  });

  it('no longer fails by what a revoked operator said', async () => {
    const { bench, run, leases } = await leasedRound(test);
    await deliverAll(bench, leases, [failed, failed, built]);
    expect(bench.result(run).level).toBe('failed');
    const [one] = leases.keys();
    await bench.revoke({ kind: 'operator', id: one ?? '' }, { since: 0 });
    expect(bench.facts(run).revoked).not.toBeNull();
  });
});

describe('a test that is co-signed', () => {
  it('fails as every other job does: once the trusted worker fails too', async () => {
    const { bench, run, leases, trusted } = await leasedRound({ kind: 'test' });
    await deliverAll(bench, leases, [failed, failed, failed]);
    expect(bench.result(run).state).toBe('awaiting-trusted');
    await bench.deliver('trusted', trusted, failed);
    expect(bench.result(run).state).toBe('cosigning');
    expect(isOver(bench.facts(run))).toBe(false);
  });
});

describe("a build's artifact", () => {
  it('is never proven by a test that put out the same bytes, before it or after it', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const runOf = async (over: Parameters<Bench['submit']>[0], artifact = built) => {
      const run = await bench.submit({ policy: { cosign: 'none' }, ...over });
      await deliverAll(bench, await bench.lease('ada', 'bob', 'cy'), [artifact, artifact, artifact]);
      bench.pinned(run);
      expect(bench.result(run).level).toBe('trusted');
      return run;
    };
    const { state } = bench.controller;
    await runOf({ name: 'first', kind: 'test' });
    expect(provingRun(state, A)).toBeUndefined();
    const build = await runOf({ name: 'build' });
    await runOf({ name: 'last', kind: 'test' });
    expect(provingRun(state, A)?.id).toBe(build);
    expect(provingRun(state, B)).toBeUndefined();
  });
});

describe('the floor for tests', () => {
  const submit = (bench: Bench, over: Parameters<Bench['submit']>[0]) =>
    bench.submit(over).then(
      () => 'accepted',
      (error: Error) => /[A-Z]+_[A-Z_]+/.exec(error.message)?.[0],
    );

  it('holds for tests, and the floor for every other job', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    await floors(bench, { testFloor: open });
    expect(await submit(bench, { ...test })).toBe('accepted');
    expect(await submit(bench, { name: 'build', policy: { cosign: 'none' } })).toBe('POLICY_BELOW_FLOOR');
    expect(await submit(bench, { ...test, policy: { cosign: 'none', agree: 1, of: 1 } })).toBe(
      'POLICY_BELOW_FLOOR',
    );
  });

  it('is the floor of all jobs where a charter has none for tests', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    await floors(bench, {});
    expect(await submit(bench, { ...test })).toBe('POLICY_BELOW_FLOOR');
    expect(await submit(bench, { kind: 'test' })).toBe('accepted');
  });

  it('ends the tests under way that ask for less, and no other jobs', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const running = await bench.submit(test);
    const build = await bench.submit({ name: 'build' });
    await floors(bench, { testFloor: tight });
    expect(bench.result(running).state).toBe('cancelled');
    expect(bench.result(build).state).toBe('building');
  });
});
