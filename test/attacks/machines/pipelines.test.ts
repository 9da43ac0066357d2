import { describe, expect, it } from 'vitest';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import { A, B, type Bench, projectOf } from '../../controller/machine/bench.ts';
import {
  agree,
  lease,
  nobody,
  operators,
  publish,
  source,
  stateOf,
  trust,
} from '../../controller/machine/pipelines.ts';
import { type Guard, openBench, type Weakness } from './support.ts';

const made = exited(treeCid('app'));

async function pipeline(guard: Guard = 'on'): Promise<Bench> {
  if (guard === 'on') return projectOf(...operators);
  const bench = await openBench(guard);
  await bench.members('trusted', ...operators);
  bench.present('trusted', ...operators);
  return bench;
}

describe('an input that is revoked between agreement and mount', () => {
  /** Workers hold leases of a job, and are getting the artifact that it reads. */
  async function attack(guard: Guard) {
    const bench = await pipeline(guard);
    const lib = await publish(bench, 'lib', { policy: nobody });
    await agree(bench, lib, exited(A));
    bench.witness(lib);
    const app = await publish(bench, 'app', { needs: { lib: [lib] }, policy: nobody });
    const held = await lease(bench, app, 'ada', 'bob', 'cy');
    await bench.revoke({ kind: 'artifact', id: A }, { since: 0 });
    const released = bench.all('release').filter(({ lease: of }) => held.some(([, { id }]) => id === of));
    for (const [key, leased] of held) await bench.deliver(key, leased, made).catch(() => {});
    return { released: released.map(({ code }) => code), state: stateOf(bench, app)[0] };
  }
  it('ends the leases of what reads it, and nothing comes of them', async () =>
    expect(await attack('on')).toEqual({ released: Array(3).fill('INPUT_LOST'), state: 'waiting' }));
  it('control: is built on where it is forgotten what the job rests on', async () =>
    expect(await attack({ off: 'inputs-count-for-nothing' })).toEqual({ released: [], state: 'pinning' }));
});

describe('a dependant that outlives the contradiction of its input', () => {
  async function attack(guard: Guard) {
    const bench = await pipeline(guard);
    const lib = await publish(bench, 'lib');
    const app = await publish(bench, 'app', { needs: { lib: [lib] }, policy: nobody });
    await agree(bench, lib, exited(A));
    await agree(bench, app, made);
    await trust(bench, lib, exited(B)).catch(() => {});
    return stateOf(bench, app);
  }
  it('stops with it, and has no level', async () => expect(await attack('on')).toEqual(['waiting', null]));
  it('control: is trusted for good where it is forgotten what the job rests on', async () =>
    expect(await attack({ off: 'inputs-count-for-nothing' })).toEqual(['done', 'trusted']));
});

describe('a job that reads what a test puts out', () => {
  async function attack(guard: Guard) {
    const bench = await pipeline(guard);
    const test = await bench.submit({ name: 'test', job: { source }, kind: 'test', policy: nobody });
    const needs = { test: { request: test, level: 'agreed' as const } };
    return bench.submit({ name: 'app', job: { source }, needs }).then(
      () => 'taken',
      (error: Error) => /"code":"(\w+)"/.exec(error.message)?.[1],
    );
  }
  const kindForgotten: Weakness = ({ state }, event) => {
    for (const run of state.runs.values()) {
      const { kind: _, ...job } = run.job;
      run.job = job;
    }
    return event;
  };
  it('is refused when it is published', async () => expect(await attack('on')).toBe('ARTIFACT_OF_TEST'));
  it('control: is taken where it is forgotten that the other one is a test', async () =>
    expect(await attack(kindForgotten)).toBe('taken'));
});

describe('a verdict that is promoted', () => {
  async function risen() {
    const bench = await pipeline();
    const lib = await publish(bench, 'lib');
    const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody });
    await agree(bench, lib, exited(A));
    await agree(bench, test, exited(B));
    return { bench, lib, test };
  }
  const verdicts = (bench: Bench, run: string) =>
    bench.controller.state.log.leaves().filter((leaf) => {
      const { jobId } = bench.facts(run);
      return leaf.startsWith('verdict ') && leaf.endsWith(` job ${jobId}`);
    }).length;

  it('is so once, whatever comes again: the last signature, a start, the lease of who signed', async () => {
    const { bench, lib, test } = await risen();
    await trust(bench, lib, exited(A));
    bench.witness(test);
    expect([stateOf(bench, test), verdicts(bench, test)]).toEqual([['done', 'trusted'], 2]);
    bench.witness(test);
    await bench.restart();
    bench.present('trusted', ...operators);
    bench.drive(600_000);
    expect([stateOf(bench, test), verdicts(bench, test)]).toEqual([['done', 'trusted'], 2]);
  });

  it('is not where its publisher cancelled it before its input rose', async () => {
    const { bench, lib, test } = await risen();
    const by = bench.id('publisher');
    bench.send({ kind: 'cancel', token: bench.token('cancel'), which: test, by, reason: 'no' });
    await trust(bench, lib, exited(A));
    expect([stateOf(bench, test)[0], verdicts(bench, test)]).toEqual(['cancelled', 1]);
  });

  it('is not where what it rests on was revoked while the last signature was waited for', async () => {
    const { bench, lib, test } = await risen();
    await trust(bench, lib, exited(A));
    expect(stateOf(bench, test)).toEqual(['witnessing', 'agreed']);
    await bench.revoke({ kind: 'job', id: bench.facts(lib).jobId }, { since: 0 });
    try {
      bench.witness(test);
    } catch {
      // The machine does not wait for a witness any more.
    }
    expect(stateOf(bench, test)).toEqual(['cancelled', null]);
    expect(bench.progress(test, 'verdict').map(({ level }) => level)).toEqual(['agreed']);
  });
});
