import { describe, expect, it } from 'vitest';
import { exited, jobNamed, treeCid } from '../../../simulations/paperwork.ts';
import { instantiate } from '../../../src/protocol/documents/index.ts';
import { A, B, type Bench, failed } from './bench.ts';
import {
  agree,
  lease,
  nobody,
  operators,
  pipelineOf,
  publish,
  source,
  stateOf,
  trust,
  trustedBuilds,
} from './pipelines.ts';

describe('a job that reads what another one makes', () => {
  it.each(['agreed', 'trusted'] as const)(
    'begins once that is %s, with its artifact filled in',
    async (level) => {
      const bench = await pipelineOf();
      const lib = await publish(bench, 'lib');
      const app = await publish(bench, 'app', { needs: { lib: [lib, level] } });
      expect(stateOf(bench, app)).toEqual(['waiting', null]);
      await agree(bench, lib, exited(A));
      if (level === 'trusted') {
        expect(stateOf(bench, app)).toEqual(['waiting', null]);
        await trust(bench, lib, exited(A));
      }
      const template = jobNamed('app', { source }).job;
      const { job, jobId, rounds } = bench.run(app);
      expect(instantiate(template, { lib: A })).toEqual({ job, id: jobId });
      expect(rounds.map(({ offer }) => offer.job)).toEqual([jobId]);
      expect(bench.progress(app, 'inputs')).toEqual([{ kind: 'inputs', job: jobId, inputs: { lib: A } }]);
      expect(bench.controller.state.index.beginning(jobId.slice(0, 40))).toHaveLength(1);
    },
  );

  it('is never above its input, and rises with it in the same event, without another build', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody });
    const app = await publish(bench, 'app', { needs: { lib: [lib], test: [test] } });
    await agree(bench, lib, exited(A));
    await agree(bench, test, exited(B));
    await agree(bench, app, exited(treeCid('app')));
    await trustedBuilds(bench, app, exited(treeCid('app')));
    expect(stateOf(bench, test)).toEqual(['agreed', 'agreed']);
    expect(stateOf(bench, app)).toEqual(['agreed', 'agreed']);
    const builds = () => bench.all('offer').length;
    const before = builds();
    await trustedBuilds(bench, lib, exited(A));
    expect(stateOf(bench, test)).toEqual(['agreed', 'agreed']);
    bench.cosign(lib);
    expect(stateOf(bench, lib)).toEqual(['done', 'trusted']);
    expect(stateOf(bench, test)).toEqual(['witnessing', 'agreed']);
    expect(stateOf(bench, app)).toEqual(['agreed', 'agreed']);
    bench.witness(test);
    expect(stateOf(bench, test)).toEqual(['done', 'trusted']);
    expect(stateOf(bench, app)).toEqual(['cosigning', 'agreed']);
    bench.cosign(app);
    expect(stateOf(bench, app)).toEqual(['done', 'trusted']);
    expect(builds()).toBe(before);
    expect(bench.run(app).receipts).toHaveLength(4);
  });

  it('of which nothing more can come is over once its input is trusted', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const empty = 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354';
    const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody });
    await agree(bench, lib, exited(A));
    await agree(bench, test, exited(empty));
    expect(stateOf(bench, test)).toEqual(['agreed', 'agreed']);
    await trust(bench, lib, exited(A));
    expect(stateOf(bench, test)).toEqual(['done', 'agreed']);
  });

  it('is revoked with its input, and so is what reads it, also once all of it is over', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody });
    const app = await publish(bench, 'app', { needs: { test: [test] } });
    await agree(bench, lib, exited(A));
    await trust(bench, lib, exited(A));
    await agree(bench, test, exited(B));
    await agree(bench, app, exited(treeCid('app')));
    await trust(bench, app, exited(treeCid('app')));
    const others = await publish(bench, 'others', { policy: nobody });
    await agree(bench, others, exited(treeCid('others')));
    for (const run of [test, lib]) bench.store(run);
    for (const run of [lib, test, app, others]) expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    await bench.revoke({ kind: 'job', id: bench.facts(lib).jobId }, { since: 0, reason: 'bad' });
    const revoked = [lib, test, app].map((run) => bench.facts(run).revoked?.reason);
    expect(revoked).toEqual(['bad', 'bad', 'bad']);
    expect(bench.facts(others).revoked).toBeNull();
    expect(bench.progress(app, 'revoked')).toHaveLength(1);
  });

  it('that fails on what is only agreed on has not failed yet', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const policy = { rounds: 1 };
    const [right, wrong] = [
      await publish(bench, 'right', { needs: { lib: [lib] }, policy }),
      await publish(bench, 'wrong', { needs: { lib: [lib] }, policy }),
    ];
    await agree(bench, lib, exited(A));
    for (const run of [right, wrong]) {
      await agree(bench, run, failed);
      await trustedBuilds(bench, run, failed);
      expect(stateOf(bench, run)).toEqual(['held', null]);
    }
    bench.drive(5_000);
    expect(stateOf(bench, wrong)).toEqual(['held', null]);
    await trust(bench, lib, exited(A));
    expect(stateOf(bench, right)).toEqual(['cosigning', null]);
    bench.cosign(right);
    expect(stateOf(bench, right)).toEqual(['done', 'failed']);
  });

  it('and is not built where its input fails, is cancelled or was never trusted in time', async () => {
    const bench = await pipelineOf();
    const runs = [];
    for (const name of ['fails', 'cancelled', 'late', 'slow']) {
      const lib = await publish(bench, name, {
        seconds: name === 'late' ? 600 : 3600,
        policy: { rounds: 1 },
      });
      const app = await publish(bench, `of ${name}`.replace(' ', '-'), {
        needs: { lib: [lib, 'trusted'] },
        seconds: 1200,
      });
      runs.push([lib, app] as const);
    }
    const [fails, cancelled, late, slow] = runs;
    if (!fails || !cancelled || !late || !slow) throw new Error('four');
    await agree(bench, fails[0], failed);
    await trust(bench, fails[0], failed);
    bench.send({
      kind: 'cancel',
      token: bench.token('cancel'),
      which: cancelled[0],
      reason: 'no',
      by: bench.id('publisher'),
    });
    await agree(bench, late[0], exited(A));
    await agree(bench, slow[0], exited(A));
    bench.drive(1_300_000);
    const reasons = runs.map(([, app]) => bench.progress(app, 'cancelled')[0]?.reason);
    expect(reasons).toEqual([
      'lib, which it needs, ended as failed',
      'lib, which it needs, was cancelled',
      'lib, which it needs, ended as agreed',
      'the request ended before what the job reads was there',
    ]);
    expect(runs.flatMap(([, app]) => bench.facts(app).rounds)).toEqual([]);
  });

  it('ends with the reason where its input made nothing', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const app = await publish(bench, 'app', { needs: { lib: [lib] } });
    await agree(bench, lib, exited(null));
    expect(stateOf(bench, app)).toEqual(['waiting', null]);
    await trust(bench, lib, exited(null));
    expect(bench.progress(app, 'cancelled')).toEqual([
      { kind: 'cancelled', reason: 'lib, which it needs, made nothing that can be read' },
    ]);
  });

  it('ends as soon as one of its inputs never will be there, while it waits for another', async () => {
    const bench = await pipelineOf();
    const [lib, other] = [await publish(bench, 'lib'), await publish(bench, 'other')];
    const app = await publish(bench, 'app', { needs: { lib: [lib], other: [other] } });
    bench.send({
      kind: 'cancel',
      token: bench.token('cancel'),
      which: other,
      reason: 'no',
      by: bench.id('publisher'),
    });
    expect(stateOf(bench, app)).toEqual(['cancelled', null]);
  });

  it('ends where its input comes after the grant of its publisher has ended', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib', { seconds: 3 * 24 * 3600 });
    const app = await publish(bench, 'app', { needs: { lib: [lib] }, seconds: 3 * 24 * 3600 });
    const leases = await lease(bench, lib, 'ada', 'bob', 'cy');
    const end = bench.grantOf('publisher').payload.exp * 1000;
    while (bench.now < end + 120_000) {
      bench.now += 20_000;
      bench.beat(new Map(leases));
    }
    for (const [key, held] of leases) await bench.deliver(key, held, exited(A));
    bench.pinned(lib);
    expect(stateOf(bench, lib)[0]).toBe('agreed');
    expect(bench.progress(app, 'cancelled')[0]?.reason).toContain('GRANT_NOT_VALID_THEN');
  });

  it('comes to the same after a restart, in every state', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody });
    const app = await publish(bench, 'app', { needs: { lib: [lib, 'trusted'], test: [test] } });
    const check = () => {
      const before = JSON.stringify(bench.controller.state.log.leaves());
      const states = [lib, test, app].map((run) => [stateOf(bench, run), bench.facts(run).jobId]);
      bench.replay();
      expect(JSON.stringify(bench.controller.state.log.leaves())).toBe(before);
      expect([lib, test, app].map((run) => [stateOf(bench, run), bench.facts(run).jobId])).toEqual(states);
    };
    check();
    await agree(bench, lib, exited(A));
    check();
    await agree(bench, test, exited(B));
    check();
    await bench.restart();
    bench.present('trusted', ...operators);
    await trust(bench, lib, exited(A));
    check();
    bench.witness(test);
    check();
    expect(stateOf(bench, test)).toEqual(['done', 'trusted']);
    expect(stateOf(bench, app)).toEqual(['building', null]);
  });
});

describe('a job that was cancelled once it was agreed', () => {
  it('loses its verdict with what it reads', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const app = await publish(bench, 'app', { needs: { lib: [lib, 'agreed'] } });
    await agree(bench, lib, exited(A));
    await agree(bench, app, exited(B));
    const cancel = (which: string) =>
      bench.send({
        kind: 'cancel',
        token: bench.token('cancel'),
        which,
        by: bench.id('publisher'),
        reason: 'no',
      });
    cancel(app);
    expect(stateOf(bench, app)).toEqual(['cancelled', 'agreed']);
    cancel(lib);
    expect(stateOf(bench, app)).toEqual(['cancelled', null]);
    expect(bench.progress(app, 'input-lost')).toMatchObject([
      { input: 'lib', artifact: B, reason: 'lib, which it needs, was cancelled' },
    ]);
    expect(bench.progress(app, 'cancelled')).toEqual([{ kind: 'cancelled', reason: 'no' }]);
  });
});

describe('a job that needs a test', () => {
  const gated = async (bench: Bench, lib: string) => {
    const test = await bench.submit({
      name: 'test',
      job: { source },
      kind: 'test',
      policy: nobody,
      needs: { lib: { request: lib, level: 'agreed' } },
    });
    const app = await bench.submit({
      name: 'app',
      job: { source },
      needs: {
        lib: { request: lib, level: 'agreed' },
        test: { request: test, level: 'agreed', gate: true },
      },
    });
    return { test, app };
  };

  it('waits for it, reads nothing of it, and is not above it', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const { test, app } = await gated(bench, lib);
    await agree(bench, lib, exited(A));
    expect(stateOf(bench, app)).toEqual(['waiting', null]);
    await agree(bench, test, exited(B));
    expect(bench.run(app).job.inputs).toEqual({ lib: A });
    await agree(bench, app, exited(treeCid('app')));
    await trustedBuilds(bench, app, exited(treeCid('app')));
    await trust(bench, lib, exited(A));
    expect(stateOf(bench, app)).toEqual(['agreed', 'agreed']);
    bench.witness(test);
    expect(stateOf(bench, test)).toEqual(['done', 'trusted']);
    expect(stateOf(bench, app)).toEqual(['cosigning', 'agreed']);
  });

  it('is not built where the test failed, which counts once what it ran on is trusted', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const { test, app } = await gated(bench, lib);
    await agree(bench, lib, exited(A));
    await agree(bench, test, failed);
    expect([stateOf(bench, test), stateOf(bench, app)]).toEqual([
      ['held', null],
      ['waiting', null],
    ]);
    await trust(bench, lib, exited(A));
    expect(stateOf(bench, test)).toEqual(['done', 'failed']);
    expect(bench.progress(app, 'cancelled')).toEqual([
      { kind: 'cancelled', reason: 'test, which it needs, ended as failed' },
    ]);
  });

  it('goes on under a new charter, also while it waits', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const { test, app } = await gated(bench, lib);
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2 }) });
    expect([lib, test, app].map((run) => stateOf(bench, run)[0])).toEqual(['building', 'waiting', 'waiting']);
  });
});

describe('a request', () => {
  const refusal = async (over: Parameters<Bench['submit']>[0], request?: string) => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const needs = { lib: { request: request ?? lib, level: 'agreed' as const } };
    return bench.submit({ name: 'app', job: { source }, needs, ...over }).then(
      () => undefined,
      (error: Error) => /"code":"(\w+)"/.exec(error.message)?.[1],
    );
  };

  it('that needs what was published here is taken', async () => expect(await refusal({})).toBeUndefined());
  it('that needs what was never published is refused', async () =>
    expect(await refusal({}, 'a'.repeat(64))).toBe('REQUEST_NEEDS_UNKNOWN'));
  it('that needs what is built of another commit is refused', async () =>
    expect(await refusal({ job: {} })).toBe('REQUEST_NEEDS_MISMATCH'));
  it('that reads what a test puts out is refused; to wait for it is another thing', async () => {
    const bench = await pipelineOf();
    const test = await bench.submit({ name: 'test', job: { source }, kind: 'test', policy: nobody });
    const reads = { test: { request: test, level: 'agreed' as const } };
    const asked = (needs: NonNullable<Parameters<Bench['submit']>[0]>['needs'] & object) =>
      bench.submit({ name: 'app', job: { source }, needs });
    await expect(asked(reads)).rejects.toThrow('ARTIFACT_OF_TEST');
    await expect(asked({ test: { ...reads.test, gate: true } })).resolves.toBeTruthy();
  });
  it('is refused where its job has inputs already', async () =>
    expect(await refusal({ job: { source, inputs: { lib: A } } })).toBe('JOB_INPUTS_MISMATCH'));
});
