import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import { pipelineOf, summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { accountOf } from '../../../src/protocol/account/index.ts';
import { decodeBundle } from '../../../src/protocol/documents/index.ts';
import { emptyTree } from '../../../src/protocol/trust/decide.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import { again, ask, type Built, build, type Of } from './asked-again.ts';
import { A, B, type Bench, failed, projectOf } from './bench.ts';
import { answer, bundleOf, revocationsOf, verified } from './evidence.ts';
import { lease, nobody, operators, stateOf } from './pipelines.ts';

describe('a job that was built before', () => {
  it('is answered from the evidence there is, without a round, and its bundle verifies', async () => {
    const { bench, before, run } = await again({}, { ref: 'refs/tags/v1' });
    expect(stateOf(bench, before)).toEqual(['done', 'trusted']);
    // The artifact may have been removed: it is looked for first.
    expect(stateOf(bench, run)).toEqual(['answering', null]);
    expect(bench.durabilityOf('pin')).toBe('sync');
    await answer(bench, run);
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    expect(bench.all('offer').filter((offer) => offer.run === run)).toEqual([]);
    expect(bench.progress(run, 'answered')).toMatchObject([{ earlier: before, ref: 'refs/heads/main' }]);
    expect(bench.facts(run)).toMatchObject({ reused: { id: before }, rounds: [], receipts: [] });
    const { project } = bench.paper;
    const bundle = decodeBundle((await bundleOf(bench, run)) ?? '');
    const found = await verifyBundle(bundle, { project, ref: 'refs/tags/v1', artifact: A }, standIn.verifier);
    expect(found.steps.at(-1)).toMatchObject({ step: 'expected', ok: true });
    expect(found.level).toBe('trusted');
    expect(found.facts).toMatchObject({
      request: run,
      earlier: before,
      ref: 'refs/tags/v1',
      artifact: A,
      operators: ['ada', 'bob', 'cy'],
      cosigners: [bench.id('trusted')],
    });
    // The ref is that of the request, and of no other.
    const other = await verifyBundle(bundle, { project, ref: 'refs/heads/main' }, standIn.verifier);
    expect(other.code).toBe('REF_MISMATCH');
  });

  it('is answered again from what was built, never from an answer', async () => {
    const { bench, before, run } = await again();
    await answer(bench, run);
    for (const one of [before, run]) bench.store(one);
    const third = await ask(bench);
    await answer(bench, third);
    expect(bench.facts(third).reused?.id).toBe(before);
    expect(stateOf(bench, third)).toEqual(['done', 'trusted']);
  });

  it('is not answered for a publisher whose grant ended while its artifact was looked for', async () => {
    const { bench, run } = await again({}, { seconds: 3 * 86_400 });
    bench.drive(2 * 86_400_000);
    await answer(bench, run);
    expect(stateOf(bench, run)).toEqual(['cancelled', null]);
    expect(bench.progress(run, 'cancelled')).toMatchObject([
      { reason: expect.stringContaining('GRANT_NOT_VALID_THEN') },
    ]);
  });

  it('is built where its artifact is not there any more', async () => {
    const { bench, run, before } = await again();
    bench.pinned(run, false);
    expect(bench.progress(run, 'answer-failed')).toMatchObject([{ earlier: before, artifact: A }]);
    await build(bench, run);
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    expect(await verified(bench, run)).toBe('trusted');
  });

  it.each<[string, Of, Of, Built?]>([
    ['the request says so', {}, { rebuild: true }],
    ['it is built in the image of the host', { job: { image: 'host' } }, {}],
    ['it has a network', { job: { network: ['vcs'] } }, {}],
    ['more operators have to agree', {}, { policy: { agree: 3, of: 4 } }, { keys: ['ada', 'bob'] }],
    ['a co-signature is required now', { policy: nobody }, { policy: { cosign: 'required' } }],
    ['it failed', {}, {}, { outcome: failed }],
    ['it is another job', {}, { job: { env: { A: 'b' } } }],
  ])('is built where %s', async (_, first, then, built = {}) => {
    const { bench, run } = await again(first, then, built);
    expect(bench.facts(run)).toMatchObject({ reused: null, phase: { kind: 'building' } });
  });

  it('is answered where as many agreed as are asked for now, and where a co-signature is more than is asked for', async () => {
    for (const policy of [{ agree: 3, of: 3 }, { agree: 3, of: 5 }, { ...nobody }, { rounds: 1 }]) {
      const { bench, run } = await again({}, { policy });
      await answer(bench, run);
      expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
      expect(await verified(bench, run)).toBe('trusted');
    }
  });

  it('is built where it took a second round to agree, and only one is allowed now', async () => {
    const bench = await projectOf(...operators);
    const before = await ask(bench);
    const outcomes = [exited(treeCid('1')), exited(treeCid('2')), exited(treeCid('3'))];
    for (const [n, [key, held]] of (await lease(bench, before, 'ada', 'bob', 'cy')).entries())
      await bench.deliver(key, held, outcomes[n]);
    await build(bench, before, { keys: ['dan', 'eve', 'fay'] });
    expect(stateOf(bench, before)).toEqual(['done', 'trusted']);
    const strict = await ask(bench, { policy: { rounds: 1 } });
    expect(stateOf(bench, strict)).toEqual(['building', null]);
    const same = await ask(bench);
    expect(stateOf(bench, same)).toEqual(['answering', null]);
  });

  it('without a co-signature is answered from as many witnesses as it needs', async () => {
    const { bench, run } = await again({ policy: nobody });
    await answer(bench, run);
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    expect(await verified(bench, run)).toBe('trusted');
    const more = await ask(bench, { policy: { ...nobody, agree: 3 } });
    expect(stateOf(bench, more)).toEqual(['answering', null]);
    const few = await projectOf(...operators);
    few.witnessing = false;
    const before = await ask(few, { policy: nobody });
    await build(few, before);
    few.witness(before, { keys: ['ada', 'bob'] });
    expect(stateOf(few, before)).toEqual(['done', 'trusted']);
    expect(stateOf(few, await ask(few, { policy: nobody }))).toEqual(['answering', null]);
    const three = await ask(few, { policy: { ...nobody, agree: 3 } });
    expect(stateOf(few, three)).toEqual(['building', null]);
  });

  it('without a co-signature is answered by verdicts of the time of its publisher’s grant only', async () => {
    const asked = async (over: Of) => {
      const { bench, run } = await again({ policy: nobody }, { seconds: 3 * 86_400, ...over });
      bench.witnessing = false;
      bench.pinned(run);
      expect(stateOf(bench, run)).toEqual(['witnessing', null]);
      const verdicts = () => bench.all('verdict').filter((one) => one.run === run).length;
      return { bench, run, verdicts };
    };
    // A result that was agreed on in time is not published again when the request ends.
    const intime = await asked({});
    intime.bench.witness(intime.run, { keys: ['ada'] });
    expect(stateOf(intime.bench, intime.run)).toEqual(['witnessing', 'agreed']);
    intime.bench.drive(3 * 86_400_000);
    expect(stateOf(intime.bench, intime.run)).toEqual(['done', 'agreed']);
    expect(intime.verdicts()).toBe(1);
    expect(await verified(intime.bench, intime.run)).toBe('agreed');
    // Nor is it for the first time once the grant has ended: by a checkpoint of then, or by the end of the request.
    const late = await asked({});
    late.bench.drive(2 * 86_400_000);
    late.bench.witness(late.run, { keys: ['ada'], grants: [] });
    expect(stateOf(late.bench, late.run)).toEqual(['witnessing', null]);
    late.bench.drive(86_400_000);
    expect(stateOf(late.bench, late.run)).toEqual(['cancelled', null]);
    expect(late.verdicts()).toBe(0);
    // Nor by a controller that was away when the request ended.
    const over = await asked({ seconds: 3600 });
    over.bench.now += 7_200_000;
    over.bench.send({ kind: 'tick' });
    expect(stateOf(over.bench, over.run)).toEqual(['cancelled', null]);
  });

  it('and makes nothing is answered at the level that it ends with', async () => {
    const { bench, run } = await again({ kind: 'test', policy: nobody }, {}, { outcome: exited(null) });
    expect(stateOf(bench, run)).toEqual(['done', 'agreed']);
    expect(await verified(bench, run)).toBe('agreed');
    const empty = await again({ kind: 'test', policy: nobody }, {}, { outcome: exited(emptyTree) });
    await answer(empty.bench, empty.run);
    expect(stateOf(empty.bench, empty.run)).toEqual(['done', 'agreed']);
  });

  it('is built while it is built for another request, whose results may be sealed', async () => {
    const bench = await projectOf(...operators);
    const first = await ask(bench);
    for (const [key, held] of await lease(bench, first, 'ada', 'bob'))
      await bench.deliver(key, held, exited(A));
    const second = await ask(bench);
    expect(stateOf(bench, second)).toEqual(['building', null]);
    await build(bench, first, { keys: ['cy'] });
    expect(stateOf(bench, first)[0]).toBe('done');
    expect(stateOf(bench, second)).toEqual(['building', null]);
  });

  it('is built where another run of it came to something else', async () => {
    const { bench, run: rebuilt } = await again({}, { rebuild: true });
    await build(bench, rebuilt, { outcome: exited(B) });
    expect(bench.progress(rebuilt, 'repeated')).toMatchObject([{ same: false, artifact: B, before: A }]);
    const third = await ask(bench);
    expect(stateOf(bench, third)).toEqual(['building', null]);
  });

  describe('and comes to something else where it is built again', () => {
    const accountsOf = (bench: Bench, ...runs: string[]) =>
      runs.map((run) => accountOf(summaryOf(bench.controller.state, bench.facts(run))));
    const rebuilt = async () => {
      const { bench, before, run } = await again({}, { rebuild: true });
      await build(bench, run, { outcome: exited(B) });
      return { bench, before, run };
    };

    it('is told of both runs, and is one alarm until somebody has looked', async () => {
      const { bench, before, run } = await rebuilt();
      expect(bench.progress(before, 'repeated')).toMatchObject([
        { earlier: run, later: true, same: false, artifact: A, before: B },
      ]);
      const told = accountsOf(bench, before, run).map(({ state, alarm, next }) => [
        state,
        alarm,
        next[0]?.command,
      ]);
      const diff = `quorate diff ${A} ${B}`;
      expect(told).toEqual([
        ['differs', false, diff],
        ['differs', true, diff],
      ]);
      expect([...bench.controller.state.alarms]).toEqual([run]);
      for (const one of pipelineOf(bench.controller.state, bench.facts(before)))
        expect(accountOf(one).state).toBe('differs');
      bench.send({ kind: 'acknowledge', run, by: 'ada' });
      expect(accountsOf(bench, before, run).map(({ alarm }) => alarm)).toEqual([false, false]);
      expect(bench.controller.state.alarms.size).toBe(0);
    });

    it('is over once the artifact of one is revoked; the alarm stays until somebody has looked', async () => {
      const { bench, before, run } = await rebuilt();
      await bench.revoke({ kind: 'artifact', id: A }, { since: 0, reason: 'bad' });
      const told = () => accountsOf(bench, before, run).map(({ state, alarm }) => [state, alarm]);
      expect(told()).toEqual([
        ['revoked', false],
        ['trusted', true],
      ]);
      bench.send({ kind: 'acknowledge', run, by: 'ada' });
      expect(told()[1]).toEqual(['trusted', false]);
      // A void result is no reason to doubt the next one.
      const third = await ask(bench, { rebuild: true });
      await build(bench, third, { outcome: exited(B) });
      expect(accountsOf(bench, third)).toMatchObject([{ state: 'trusted', alarm: false }]);
    });

    it('than what is void is told, and no alarm', async () => {
      const { bench, before, run } = await again({}, { rebuild: true });
      await bench.revoke({ kind: 'artifact', id: A }, { since: 0, reason: 'bad' });
      await build(bench, run, { outcome: exited(B) });
      expect(bench.progress(run, 'repeated')).toMatchObject([{ same: false, revoked: true }]);
      expect(bench.progress(before, 'repeated')).toEqual([]);
      expect(accountsOf(bench, run)).toMatchObject([{ state: 'trusted', alarm: false }]);
      expect(bench.controller.state.alarms.size).toBe(0);
    });
  });

  it('is compared with the earlier run where it is built again', async () => {
    const { bench, before, run } = await again({}, { rebuild: true });
    await build(bench, run);
    expect(bench.progress(run, 'repeated')).toMatchObject([
      { earlier: before, same: true, artifact: A, before: A },
    ]);
    expect(bench.progress(before, 'repeated')).toEqual([]);
  });
});

describe('after a revocation', () => {
  const of = (bench: Bench, run: string) => verified(bench, run, revocationsOf(bench));

  it('of an operator whose receipt is needed the job is built, and what was answered stands no more', async () => {
    const first = { policy: { agree: 2, of: 2 } };
    const { bench, before, run } = await again(first, {}, { keys: ['ada', 'bob'] });
    await answer(bench, run);
    const waits = await ask(bench, first);
    await bench.revoke({ kind: 'operator', id: 'ada' }, { since: 0, reason: 'bad' });
    for (const one of [before, run]) expect(bench.facts(one).revoked?.reason).toBe('bad');
    expect(await of(bench, run)).toBe('EARLIER_NOT_VERIFIED');
    bench.pinned(waits);
    expect(stateOf(bench, waits)).toEqual(['building', null]);
    expect(stateOf(bench, await ask(bench, first))).toEqual(['building', null]);
  });

  it('is built again by itself where it is still wanted', async () => {
    const first = { policy: { agree: 2, of: 2 } };
    const { bench, run } = await again(first, {}, { keys: ['ada', 'bob'] });
    const { evidence } = bench.facts(run);
    await answer(bench, run);
    await bench.revoke({ kind: 'operator', id: 'ada' }, { since: 0, reason: 'bad' });
    expect(bench.all('recall').map((recall) => recall.run)).toContain(run);
    bench.recall(run, bench.documentsOf(run));
    expect(bench.facts(run)).toMatchObject({ reused: null, evidence, phase: { kind: 'building' } });
    await build(bench, run, { keys: ['cy', 'dan'] });
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    expect(await of(bench, run)).toBe('trusted');
  });

  it('is compared with the earlier run, and not with itself, where it is built again by itself', async () => {
    const first = { policy: { agree: 2, of: 2 } };
    const { bench, before, run } = await again(first, { rebuild: true }, { keys: ['ada', 'bob'] });
    await build(bench, run, { keys: ['cy', 'dan'] });
    await bench.revoke({ kind: 'operator', id: 'cy' }, { since: 0, reason: 'bad' });
    bench.recall(run, bench.documentsOf(run));
    await build(bench, run, { keys: ['eve', 'fay'] });
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    expect(bench.progress(run, 'repeated').map(({ earlier }) => earlier)).toEqual([before, before]);
  });

  it('the earlier request stands without the revoked receipt, and one that needs it does not', async () => {
    const { bench, before, run } = await again({}, { policy: { agree: 3, of: 3 } });
    await answer(bench, run);
    const lax = await ask(bench);
    await answer(bench, lax);
    await bench.revoke({ kind: 'operator', id: 'ada' }, { since: 0, reason: 'bad' });
    expect([before, run, lax].map((one) => bench.facts(one).revoked?.reason)).toEqual([
      undefined,
      'bad',
      undefined,
    ]);
    expect([await of(bench, before), await of(bench, run), await of(bench, lax)]).toEqual([
      'trusted',
      'VERDICT_UNSUPPORTED_BY_EVIDENCE',
      'trusted',
    ]);
  });

  it('of the artifact nobody is answered with it', async () => {
    const { bench, run } = await again();
    await answer(bench, run);
    await bench.revoke({ kind: 'artifact', id: A }, { since: bench.controller.state.log.size });
    expect(bench.facts(run).revoked).toBeNull();
    const third = await ask(bench);
    expect(stateOf(bench, third)).toEqual(['building', null]);
  });

  it('of who asked this time the answer stands no more, and the earlier verdict does', async () => {
    const bench = await projectOf(...operators);
    await bench.enrol('pat', { role: 'publisher' });
    const before = await ask(bench);
    await build(bench, before);
    const run = await ask(bench, { as: 'pat' });
    await answer(bench, run);
    await bench.revoke({ kind: 'operator', id: 'pat' }, { since: 0, reason: 'stolen' });
    expect([before, run].map((one) => bench.facts(one).revoked?.reason)).toEqual([undefined, 'stolen']);
    expect([await of(bench, before), await of(bench, run)]).toEqual(['trusted', 'OPERATOR_REVOKED']);
  });

  it('of the trusted worker by the root nothing is answered from what it signed', async () => {
    const { bench, run } = await again();
    await answer(bench, run);
    await bench.revoke({ kind: 'key', id: bench.id('trusted') }, { since: 0, as: 'root', reason: 'stolen' });
    expect(bench.facts(run).revoked?.reason).toBe('stolen');
    expect(stateOf(bench, await ask(bench))).toEqual(['building', null]);
  });
});

describe('under another charter', () => {
  it('that does not name the trusted worker any more the job is built', async () => {
    const bench = await projectOf(...operators);
    const before = await ask(bench);
    await build(bench, before);
    const charter = await bench.paper.charter({ epoch: 2, trusted: [bench.id('another')] });
    bench.send({ kind: 'charter', charter });
    expect(stateOf(bench, await ask(bench))).toEqual(['building', null]);
  });
});

describe('a job of a pipeline', () => {
  const needs = (lib: string) => ({ lib: { request: lib, level: 'agreed' as const } });

  /** A pipeline of two was built, and is published again. */
  async function pipeline() {
    const bench = await projectOf(...operators);
    const lib = await ask(bench, { name: 'lib' });
    const app = await ask(bench, { name: 'app', needs: needs(lib) });
    await build(bench, lib);
    await build(bench, app, { outcome: exited(B) });
    expect([stateOf(bench, lib), stateOf(bench, app)]).toEqual([
      ['done', 'trusted'],
      ['done', 'trusted'],
    ]);
    return { bench, lib, app };
  }

  it('is answered once what it reads is there, for the inputs of its own request', async () => {
    const { bench, lib, app } = await pipeline();
    const lib2 = await ask(bench, { name: 'lib' });
    const app2 = await ask(bench, { name: 'app', needs: needs(lib2) });
    await answer(bench, lib2);
    await answer(bench, app2);
    expect([bench.facts(lib2).reused?.id, bench.facts(app2).reused?.id]).toEqual([lib, app]);
    expect(stateOf(bench, app2)).toEqual(['done', 'trusted']);
    expect(await verified(bench, app2)).toBe('trusted');
    expect(decodeBundle((await bundleOf(bench, app2)) ?? '').inputs).toHaveLength(3);
    // A job that rests on an answer is verified like any other.
    const more = await ask(bench, { name: 'more', needs: { app: { request: app2, level: 'trusted' } } });
    await build(bench, more, { outcome: exited(treeCid('more')) });
    expect(await verified(bench, more)).toBe('trusted');
  });

  it('is built on bytes that are only agreed on', async () => {
    const { bench } = await pipeline();
    const lib2 = await ask(bench, { name: 'lib', rebuild: true });
    const app2 = await ask(bench, { name: 'app', needs: needs(lib2) });
    for (const [key, held] of await lease(bench, lib2, 'ada', 'bob', 'cy'))
      await bench.deliver(key, held, exited(A));
    await answer(bench, lib2);
    expect(stateOf(bench, app2)).toEqual(['building', null]);
  });

  it('comes to the same after a restart, while the artifact is looked for too', async () => {
    const { bench } = await pipeline();
    const lib2 = await ask(bench, { name: 'lib' });
    await bench.restart();
    expect(stateOf(bench, lib2)).toEqual(['answering', null]);
    expect(bench.effects.at(-1)).toMatchObject({ kind: 'pin', run: lib2, artifact: A });
    await answer(bench, lib2);
    await bench.restart();
    expect(stateOf(bench, lib2)).toEqual(['done', 'trusted']);
  });
});
