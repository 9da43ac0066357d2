import { describe, expect, it } from 'vitest';
import { exited } from '../../../simulations/paperwork.ts';
import { pipelineOf, summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { accountLine, accountOf } from '../../../src/protocol/account/index.ts';
import { wireLimits } from '../../../src/protocol/wire/limits.ts';
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
import { agree, publish, trust } from './pipelines.ts';

const line = (bench: Bench, run: string): string =>
  accountLine(accountOf(summaryOf(bench.controller.state, bench.facts(run))));

describe('the account that a controller gives of a run', () => {
  it('says that it waits for operators: none is connected, or those that are joined later', async () => {
    const bench = await projectOf();
    const run = await bench.submit();
    const until = 'until 00:01:01 UTC, then the round ends';
    expect(line(bench, run)).toBe(`waiting: for an operator: none is connected; ${until}`);
    await bench.members('late');
    bench.present('late');
    expect(line(bench, run)).toMatch(
      /^waiting: for another operator: the one that is connected joined after it was published; until/,
    );
  });

  it('names operators that take no slot, and why', async () => {
    const bench = await projectOf('ada', 'bob');
    const run = await bench.submit();
    const { offerId: offer = '' } = bench.run(run).rounds[0] ?? {};
    expect(line(bench, run)).toMatch(/^waiting: for ada, bob to answer the offer; until /);
    bench.send({ kind: 'passed', worker: bench.id('ada'), offer, reason: 'paused by its operator' });
    expect(line(bench, run)).toMatch(/^waiting: for bob to answer the offer; until /);
    bench.send({ kind: 'passed', worker: bench.id('bob'), offer, reason: 'needs 64 cpus' });
    expect(line(bench, run)).toMatch(
      /^waiting: for an operator that takes it: ada: paused by its operator; bob: needs 64 cpus; until /,
    );
  });

  it('names so many of those that it waits for at most', async () => {
    const all = Array.from({ length: wireLimits.declinedMax + 1 }, (_, n) => `op${n}`);
    const bench = await projectOf(...all);
    const run = await bench.submit();
    const { open } = summaryOf(bench.controller.state, bench.facts(run));
    expect([open?.eligible, open?.asked?.length]).toEqual([all.length, wireLimits.declinedMax]);
  });

  it('names the builders, counts sealed results, and says what the rest waits for', async () => {
    const bench = await projectOf('ada', 'bob');
    const run = await bench.submit({ policy: { cosign: 'none' } });
    const leases = await bench.lease('ada', 'bob');
    expect(line(bench, run)).toMatch(/^building: by 2 operators: /);
    await bench.deliver('ada', leases.get('ada'));
    expect(line(bench, run)).toBe('building: by 1 operator: bob; 1 of 3 result is in, sealed');
    await bench.deliver('bob', leases.get('bob'));
    expect(line(bench, run)).toMatch(
      /^sealed: 2 of 3 results are in, sealed; waiting for another operator: the 2 that are connected had a slot of it; until /,
    );
    expect(JSON.stringify(summaryOf(bench.controller.state, bench.facts(run)))).not.toContain(A);
  });

  it('says when the round ends early, where no operator is there for the slot that is left', async () => {
    const bench = await projectOf('ada', 'bob');
    const run = await bench.submit();
    for (const [key, lease] of await bench.lease('ada', 'bob')) await bench.deliver(key, lease, built);
    const { open } = summaryOf(bench.controller.state, bench.facts(run));
    const waitMs = (open?.freeUntil ?? 0) - bench.now;
    bench.drive(waitMs - 1);
    expect(bench.progress(run, 'revealed')).toEqual([]);
    bench.drive(1);
    expect(bench.progress(run, 'revealed')).toHaveLength(1);
    expect(waitMs).toBeLessThan(timings.slotFillMs);
  });

  it('counts those who agreed, and those at whom it failed', async () => {
    const three = await leasedRound();
    await deliverAll(three.bench, three.leases, [built, built, built]);
    three.bench.pinned(three.run);
    expect(line(three.bench, three.run)).toMatch(/^agreed: 3 of 3 operators built the same/);
    const bad = await leasedRound();
    await deliverAll(bad.bench, bad.leases, [failed, failed, failed]);
    expect(line(bad.bench, bad.run)).toMatch(/^waiting: it failed at 3 operators, which counts once/);
    await bad.bench.deliver('trusted', bad.trusted, failed);
    bad.bench.cosign(bad.run);
    expect(line(bad.bench, bad.run)).toBe(
      'failed: the build failed at 3 operators and at the trusted worker',
    );
  });

  it('says how much of an artifact is here that is being fetched, and from whom', async () => {
    const { bench, run, leases } = await leasedRound();
    await deliverAll(bench, leases, [built, built, built]);
    const from = ['ada', 'bob', 'nobody'].map((name) => bench.id(name));
    const far = { bytes: 2 ** 20, total: 3 * 2 ** 20, bytesPerSecond: 2 ** 19, from };
    const journaled = bench.journal.length;
    const tell = (artifact: string) => bench.send({ kind: 'fetching', run, artifact, ...far });
    tell(B);
    const says = 'provisional: 3 of 3 operators built the same; the bytes are being fetched';
    expect(line(bench, run)).toBe(says);
    tell(A);
    expect(line(bench, run)).toBe(`${says}: 1 MiB of 3 MiB, 512 KiB/s, 4.0 s left, from ada, bob`);
    expect(bench.journal).toHaveLength(journaled);
    // The answer about an artifact that was wanted before ends nothing, and its figures are not this one's.
    bench.send({ kind: 'pinned', run, artifact: B, ok: false, detail: 'no' });
    expect(line(bench, run)).toContain('1 MiB of 3 MiB');
    bench.controller.state.presence.fetching.set(run, { artifact: B, ...far });
    expect(line(bench, run)).toBe(says);
    tell(A);
    bench.pinned(run);
    tell(A);
    expect(bench.controller.state.presence.fetching.size).toBe(0);
  });

  it('says how long builds took, and the whole from its publication to the end', async () => {
    const { bench, run, leases, trusted } = await leasedRound();
    const times = () => {
      const {
        submittedAt,
        startedAt = 0,
        tookMs,
        doneMs,
      } = summaryOf(bench.controller.state, bench.facts(run));
      return [startedAt - submittedAt, tookMs, doneMs];
    };
    const [waited = 0] = times();
    expect(times()).toEqual([waited, undefined, undefined]);
    bench.drive(2_000);
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    expect(times()).toEqual([waited, undefined, undefined]);
    bench.drive(3_000);
    await bench.deliver('trusted', trusted, built);
    expect(times()).toEqual([waited, 5_000, undefined]);
    bench.drive(500);
    bench.cosign(run);
    expect(times()).toEqual([waited, 5_000, waited + 5_500]);
    expect(summaryOf(bench.controller.state, bench.facts(run)).tally?.by?.toSorted()).toEqual([
      'ada',
      'bob',
      'cy',
    ]);
  });

  it('says why the trusted worker does not take it, until it does', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const run = await bench.submit();
    const leases = await bench.lease('ada', 'bob', 'cy');
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    const { offerId: offer = '' } = bench.run(run).rounds[0] ?? {};
    bench.send({ kind: 'passed', worker: bench.id('trusted'), offer, reason: 'paused by its operator' });
    expect(line(bench, run)).toMatch(
      /^agreed: 3 of 3 operators built the same; it waits for the trusted worker, which declines: paused by its operator$/,
    );
    const open = () => summaryOf(bench.controller.state, bench.facts(run)).open;
    expect(open()?.trustedPassed).toBe('paused by its operator');
    await bench.lease('trusted');
    expect(open()).not.toHaveProperty('trustedPassed');
  });

  it('says nothing of a reason that may be over: its trusted worker took another job, or is gone', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const runs: string[] = [];
    for (const name of ['one', 'two']) {
      const run = await publish(bench, name);
      const leases = await bench.lease('ada', 'bob', 'cy');
      await deliverAll(bench, leases, [built, built, built]);
      bench.pinned(run);
      const { offerId: offer = '' } = bench.run(run).rounds[0] ?? {};
      bench.send({ kind: 'passed', worker: bench.id('trusted'), offer, reason: 'paused by its operator' });
      runs.push(run);
    }
    const said = () =>
      runs.map((run) => summaryOf(bench.controller.state, bench.facts(run)).open?.trustedPassed);
    expect(said()).toEqual(['paused by its operator', 'paused by its operator']);
    bench.drive(2_000);
    await bench.lease('trusted');
    expect(said()).toEqual([undefined, undefined]);
  });

  it('names the job that others fell with, at the end of a chain of them', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const lib = await publish(bench, 'lib');
    const app = await publish(bench, 'app', { needs: { lib: [lib] } });
    const pack = await publish(bench, 'pack', { needs: { app: [app] } });
    bench.send({ kind: 'cancel', token: 'c', which: lib, by: bench.id('publisher'), reason: 'wrong branch' });
    expect(line(bench, app)).toBe('cancelled: lib, which it needs, was cancelled');
    expect(line(bench, pack)).toBe('cancelled: app, which it needs, was cancelled: lib was cancelled');
    const fellWith = { name: 'lib', run: lib, how: 'was cancelled' };
    const { state } = bench.controller;
    expect(pipelineOf(state, bench.facts(pack)).map((one) => one.fellWith)).toEqual([
      undefined,
      fellWith,
      fellWith,
    ]);
    // Its publisher ended this one for a reason of its own.
    const other = await publish(bench, 'docs');
    const also = await publish(bench, 'site', { needs: { docs: [other] } });
    for (const which of [also, other])
      bench.send({ kind: 'cancel', token: 'c', which, by: bench.id('publisher'), reason: 'no' });
    expect(line(bench, also)).toBe('cancelled: no');
    expect(summaryOf(state, bench.facts(also))).not.toHaveProperty('fellWith');
  });

  it('names the job whose revocation ended another one', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const lib = await publish(bench, 'lib');
    const app = await publish(bench, 'app', { needs: { lib: [lib] } });
    for (const [run, artifact] of [
      [lib, A],
      [app, B],
    ] as const) {
      await agree(bench, run, exited(artifact));
      await trust(bench, run, exited(artifact));
    }
    expect(line(bench, app)).toMatch(/^trusted: /);
    await bench.revoke({ kind: 'artifact', id: A }, { since: 0 });
    expect(line(bench, app)).toMatch(/^revoked: it rests on lib, which was revoked: the artifact /);
    expect(line(bench, lib)).toMatch(/^revoked: the artifact /);
    const { next } = accountOf(summaryOf(bench.controller.state, bench.facts(lib)));
    expect(next.filter(({ command = '' }) => command.includes('fetch'))).toEqual([]);
  });

  it('says why builds were aborted, in the words of the builders', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { rounds: 1 } });
    const aborted = { kind: 'aborted', reason: 'outputs', detail: 'a\\tb: Rename the file' } as const;
    await deliverAll(bench, leases, [aborted, aborted, aborted]);
    expect(line(bench, run)).toBe(
      'unfinished: its outputs have a name or a kind of file that no artifact can have: outputs: a\\tb: Rename the file',
    );
  });

  it('says that it was cancelled, also after it was agreed on', async () => {
    const { bench, run, leases } = await leasedRound();
    await deliverAll(bench, leases, [built, built, other]);
    bench.pinned(run);
    expect(line(bench, run)).toMatch(/^agreed: /);
    const by = bench.id('publisher');
    bench.send({ kind: 'cancel', token: 'c', which: run, by, reason: 'wrong branch' });
    expect(line(bench, run)).toBe('cancelled: wrong branch');
  });

  it('names inputs that are not trusted', async () => {
    const bench = await projectOf('ada', 'bob', 'cy');
    const lib = await publish(bench, 'lib');
    const app = await publish(bench, 'app', { needs: { lib: [lib] } });
    expect(line(bench, app)).toBe('waiting: for lib');
    await agree(bench, lib, built);
    await agree(bench, app, built);
    expect(line(bench, app)).toBe(
      'provisional: 3 of 3 operators built the same; it reads lib, which is not trusted yet',
    );
  });

  it('says that no operator built', async () => {
    const bench = await projectOf('ada');
    const run = await bench.submit({ policy: { rounds: 1 } });
    bench.drive(timings.windowMs + timings.slotFillMs);
    const summary = summaryOf(bench.controller.state, bench.facts(run));
    expect(summary.tally).toMatchObject({ ended: 0 });
    expect(line(bench, run)).toBe('unfinished: no operator built it');
  });
});
