import { describe, expect, it } from 'vitest';
import { exited } from '../../../simulations/paperwork.ts';
import { Controller } from '../../../src/controller/machine/machine.ts';
import { decodeBundle } from '../../../src/protocol/documents/index.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import { again, ask, build, type Of } from './asked-again.ts';
import { A, B, Bench, projectOf } from './bench.ts';
import { answer, bundleOf, cosign, revocationsOf, verified } from './evidence.ts';
import { nobody, operators, stateOf } from './pipelines.ts';

const waits = ['answer-cosigning', null];
const built = ['building', null];

/** A job was built, and is asked for again: the answer is drafted. */
async function drafted(first: Of = {}) {
  const { bench, before, run } = await again(first);
  bench.pinned(run);
  expect(stateOf(bench, run)).toEqual(waits);
  return { bench, before, run };
}

async function placeOf(bench: Bench, run: string) {
  const { project, keys } = bench.paper;
  const bundle = decodeBundle((await bundleOf(bench, run)) ?? '');
  return (await verifyBundle(bundle, { project }, keys.verifier)).facts?.place;
}

const refused = (bench: Bench, run: string, code: string, over = {}) => {
  const { phase } = bench.run(run);
  const verdict = 'draft' in phase ? phase.draft.id : '';
  const refusal = { run, worker: bench.id('trusted'), verdict, code, message: 'no', ...over };
  return bench.send({ kind: 'cosign-refused', ...refusal });
};

describe('an answer from an earlier build', () => {
  it('is published once a trusted worker has signed it, and not before; what reads it waits as long', async () => {
    const { bench, before, run } = await drafted();
    expect(bench.all('cosign-answers')).toHaveLength(1);
    expect(bench.progress(run, 'answer-cosigning')).toHaveLength(1);
    expect(bench.all('verdict').filter((verdict) => verdict.run === run)).toEqual([]);
    const needs = { app: { request: run, level: 'trusted' as const } };
    const reader = await ask(bench, { name: 'reader', needs });
    expect(stateOf(bench, reader)).toEqual(['waiting', null]);
    await cosign(bench, run, 'trusted');
    expect([stateOf(bench, run), stateOf(bench, reader)]).toEqual([['done', 'trusted'], built]);
    expect(await verified(bench, run)).toBe('trusted');
    expect([await placeOf(bench, run), await placeOf(bench, before)]).toEqual(['cosigned', 'cosigned']);
    expect(bench.facts(run).phase).toMatchObject({
      published: { endorsement: { kind: 'cosigned', workers: [bench.id('trusted')] } },
    });
  });

  it('is signed under a later checkpoint than its own, as others come in between', async () => {
    const { bench, run } = await drafted();
    const { size } = bench.controller.state.log;
    await ask(bench, { name: 'other' });
    expect(bench.controller.state.log.size).toBeGreaterThan(size);
    await cosign(bench, run, 'trusted');
    expect(await verified(bench, run)).toBe('trusted');
    expect(await placeOf(bench, run)).toBe('cosigned');
    // Its bundle is the same after a restart.
    const text = await bundleOf(bench, run);
    await bench.restart();
    expect(await bundleOf(bench, run)).toBe(text);
  });

  it('is published by no other signature than the one that was asked for', async () => {
    const { bench, run } = await drafted();
    const { log } = bench.controller.state;
    const { phase } = bench.run(run);
    const verdict = 'draft' in phase ? phase.draft.id : '';
    const [size, root] = [log.size, log.root(log.size)];
    const event = {
      kind: 'cosigned' as const,
      run,
      worker: bench.id('trusted'),
      verdict,
      signature: 'c2ln',
      witness: 'w',
      log: { size, root },
    };
    const { log: _, ...without } = event;
    for (const wrong of [
      without,
      { ...event, verdict: 'a'.repeat(64) },
      { ...event, worker: bench.id('ada') },
      { ...event, log: { size: size - 1, root: log.root(size - 1) } },
      { ...event, log: { size, root: 'a'.repeat(64) } },
      { ...event, log: { size: size + 1, root } },
    ]) {
      expect(bench.send(wrong)).toEqual([]);
      expect(stateOf(bench, run)).toEqual(waits);
    }
    bench.send(event);
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
  });

  it('is shown again after a refusal that may pass, which is told once', async () => {
    const { bench, run } = await drafted();
    refused(bench, run, 'HOME_UNWRITABLE');
    refused(bench, run, 'MESH_RESET');
    refused(bench, run, 'DOC_FROM_FUTURE');
    expect(bench.progress(run, 'cosign-delayed')).toHaveLength(1);
    expect(stateOf(bench, run)).toEqual(waits);
    const before = bench.all('cosign-answers').length;
    bench.drive(60_000);
    expect(bench.all('cosign-answers').length).toBe(before + 1);
    await cosign(bench, run, 'trusted');
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
  });

  it('is not asked for again after any other refusal: the job is built', async () => {
    const { bench, run } = await drafted();
    const { evidence } = bench.facts(run);
    refused(bench, run, 'COSIGN_ANSWERED', { verdict: 'a'.repeat(64) });
    expect(stateOf(bench, run)).toEqual(waits);
    refused(bench, run, 'COSIGN_ANSWERED');
    expect(stateOf(bench, run)).toEqual(built);
    expect(bench.progress(run, 'answer-refused')).toMatchObject([{ code: 'COSIGN_ANSWERED' }]);
    expect(bench.facts(run).reused).toBeNull();
    expect(bench.facts(run).evidence.receipts).toBeLessThan(evidence.receipts);
    await build(bench, run);
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    expect(await verified(bench, run)).toBe('trusted');
  });

  it('that comes too late for the grant of its publisher is built for nobody', async () => {
    const { bench, run } = await drafted({ seconds: 7 * 86_400 });
    bench.drive(2 * 86_400_000);
    refused(bench, run, 'COSIGN_ANSWERED');
    expect(bench.facts(run).phase).toMatchObject({ kind: 'cancelled' });
  });

  it('that nobody signs ends with its request, and nothing is published', async () => {
    const { bench, run } = await drafted();
    bench.drive(8 * 86_400_000);
    expect(bench.facts(run)).toMatchObject({
      reused: null,
      phase: { kind: 'cancelled', published: null, reason: expect.stringContaining('trusted worker') },
    });
  });

  it('is waited for after a restart', async () => {
    const { bench, run } = await drafted();
    await bench.restart();
    expect(stateOf(bench, run)).toEqual(waits);
    refused(bench, run, 'HOME_UNWRITABLE');
    bench.drive(60_000);
    await cosign(bench, run, 'trusted');
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
  });

  it('is ended by its publisher', async () => {
    const { bench, run } = await drafted();
    const by = bench.facts(run).request.signer;
    bench.send({ kind: 'cancel', token: bench.token('cancel'), which: run, by, reason: 'not now' });
    expect(bench.facts(run)).toMatchObject({ reused: null, phase: { kind: 'cancelled', published: null } });
  });

  it('was the controller’s word under rules 1: a journal of then comes to the same', async () => {
    const bench = new Bench((id, idp) => {
      const controller = new Controller(id, idp);
      const handle = controller.handle.bind(controller);
      controller.handle = (event, now) => handle(event, now, 1);
      return controller;
    });
    await bench.start();
    await bench.members('trusted', ...operators);
    bench.present('trusted', ...operators);
    await build(bench, await ask(bench));
    const run = await ask(bench);
    bench.pinned(run);
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    expect(await verified(bench, run)).toBe('trusted');
    expect(await placeOf(bench, run)).toBe('controller');
  });
});

describe('while an answer waits for its signature', () => {
  it('a revocation that its evidence can spare changes nothing; one that it cannot has the job built', async () => {
    const { bench, run } = await drafted();
    const draft = () => {
      const { phase } = bench.run(run);
      return 'draft' in phase ? phase.draft.id : undefined;
    };
    const before = draft();
    await bench.revoke({ kind: 'operator', id: 'ada' }, { since: 0, reason: 'bad' });
    expect(draft()).toBe(before);
    await bench.revoke({ kind: 'operator', id: 'bob' }, { since: 0, reason: 'bad' });
    expect(stateOf(bench, run)).toEqual(built);
    expect(bench.facts(run).reused).toBeNull();
    await build(bench, run, { keys: ['dan', 'eve', 'fay'] });
    expect(await verified(bench, run, revocationsOf(bench))).toBe('trusted');
  });

  it('a revocation of the artifact has it built, and one of its publisher ends it', async () => {
    const one = await drafted();
    await one.bench.revoke({ kind: 'artifact', id: A }, { since: one.bench.controller.state.log.size });
    expect(stateOf(one.bench, one.run)).toEqual(built);
    const two = await drafted();
    await two.bench.revoke({ kind: 'operator', id: 'publisher' }, { since: 0 });
    expect(two.bench.facts(two.run).phase).toMatchObject({ kind: 'cancelled' });
  });

  it('a run of the job that comes to something else has it built', async () => {
    const { bench, run } = await drafted();
    const other = await ask(bench, { rebuild: true });
    await build(bench, other, { outcome: exited(B), keys: ['dan', 'eve', 'fay'] });
    expect(stateOf(bench, other)).toEqual(['done', 'trusted']);
    // It is looked at with the next event that may concern it.
    await bench.revoke({ kind: 'operator', id: 'cy' }, { since: bench.controller.state.log.size });
    expect(stateOf(bench, run)).toEqual(built);
  });

  it('a new charter has it drafted again, or built where that names none of those who signed the earlier verdict', async () => {
    const { bench, run } = await drafted();
    const { phase } = bench.run(run);
    bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2 }) });
    bench.pinned(run);
    expect(stateOf(bench, run)).toEqual(waits);
    const now = bench.run(run).phase;
    expect('draft' in now && 'draft' in phase && now.draft.id !== phase.draft.id).toBe(true);
    await cosign(bench, run, 'trusted');
    expect(await verified(bench, run)).toBe('trusted');
    const other = await drafted();
    const charter = await other.bench.paper.charter({ epoch: 2, trusted: [other.bench.id('another')] });
    other.bench.send({ kind: 'charter', charter });
    expect(stateOf(other.bench, other.run)).toEqual(built);
  });

  it('an input that is lost has it wait for that, and then be answered again', async () => {
    const bench = await projectOf(...operators);
    const lib = await ask(bench, { name: 'lib' });
    const needs = (of: string) => ({ lib: { request: of, level: 'agreed' as const } });
    const app = await ask(bench, { needs: needs(lib) });
    await build(bench, lib);
    await build(bench, app, { outcome: exited(B) });
    const again = await ask(bench, { needs: needs(lib) });
    bench.pinned(again);
    expect(stateOf(bench, again)).toEqual(waits);
    await bench.revoke({ kind: 'operator', id: 'ada' }, { since: 0, reason: 'bad' });
    await bench.revoke({ kind: 'operator', id: 'bob' }, { since: 0, reason: 'bad' });
    expect(bench.facts(again)).toMatchObject({ reused: null, phase: { kind: 'waiting' } });
  });
});

describe('an answer under a policy without a co-signature', () => {
  /** Witnesses have signed nothing yet. */
  async function unwitnessed() {
    const bench = await projectOf(...operators);
    await build(bench, await ask(bench, { policy: nobody }));
    bench.witnessing = false;
    const run = await ask(bench, { policy: nobody });
    bench.pinned(run);
    expect(stateOf(bench, run)).toEqual(['witnessing', null]);
    return { bench, run };
  }

  it('waits for the witnesses of the log that it is in itself', async () => {
    const { bench, run } = await unwitnessed();
    bench.witness(run, { keys: ['dan', 'eve'] });
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    expect(await verified(bench, run)).toBe('trusted');
    expect(await placeOf(bench, run)).toBe('witnessed');
  });

  it('waits for them also where nothing was made, and the earlier verdict was co-signed', async () => {
    const bench = await projectOf(...operators);
    const test = { kind: 'test' } as const;
    await build(bench, await ask(bench, test), { outcome: exited(null) });
    bench.witnessing = false;
    const run = await ask(bench, { ...test, policy: nobody });
    expect(stateOf(bench, run)).toEqual(['witnessing', null]);
    bench.witness(run, { keys: ['dan', 'eve'] });
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    expect(await verified(bench, run)).toBe('trusted');
    expect(await placeOf(bench, run)).toBe('witnessed');
  });

  it('is agreed on meanwhile, where these are too few', async () => {
    const { bench, run } = await unwitnessed();
    bench.witness(run, { keys: ['dan'] });
    expect(stateOf(bench, run)).toEqual(['witnessing', 'agreed']);
    expect(await verified(bench, run)).toBe('agreed');
    expect(await placeOf(bench, run)).toBe('controller');
    bench.witness(run, { keys: ['dan', 'eve'] });
    expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    const { bench: late, run: never } = await unwitnessed();
    late.drive(8 * 86_400_000);
    expect(stateOf(late, never)).toEqual(['done', 'agreed']);
    expect(await verified(late, never)).toBe('agreed');
  });
});

it('an answer that is signed is answered with no more than it is itself: the next one rests on the build', async () => {
  const { bench, before, run } = await drafted();
  await cosign(bench, run, 'trusted');
  const third = await ask(bench);
  await answer(bench, third);
  expect(bench.facts(third).reused?.id).toBe(before);
  expect(await verified(bench, third)).toBe('trusted');
});
