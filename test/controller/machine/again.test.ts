import { describe, expect, it } from 'vitest';
import { exited, treeCid } from '../../../simulations/paperwork.ts';
import { A, B, type Bench, timings } from './bench.ts';
import { agree, lease, nobody, pipelineOf, publish, stateOf, trust, trustedBuilds } from './pipelines.ts';

const reasonsOf = (bench: Bench, run: string) =>
  bench.progress(run, 'input-lost').map(({ reason }) => reason);
const app = exited(treeCid('app'));
const appOfB = exited(treeCid('app of b'));

/** A library, what tests it and what is built on both. */
async function three(bench: Bench) {
  const lib = await publish(bench, 'lib', { policy: { rounds: 3 } });
  const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody });
  return { lib, test, app: await publish(bench, 'app', { needs: { lib: [lib], test: [test] } }) };
}

/** All of it is trusted, and its bundles are stored; the documents are those in the bundles. `by`: who builds what reads the library. */
async function threeTrusted(bench: Bench, by = ['ada', 'bob', 'cy']) {
  const runs = await three(bench);
  await agree(bench, runs.lib, exited(A));
  await trust(bench, runs.lib, exited(A));
  await agree(bench, runs.test, exited(B), by);
  await agree(bench, runs.app, app, by);
  await trust(bench, runs.app, app);
  const all = [runs.lib, runs.test, runs.app];
  const documents = new Map(all.map((run) => [run, bench.documentsOf(run)]));
  for (const run of all) bench.store(run);
  for (const run of all) expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
  const recall = (run: string) => bench.recall(run, documents.get(run) ?? null);
  return { ...runs, all, documents, recall };
}

const recalls = (bench: Bench) => bench.all('recall').map(({ run }) => run);

describe('where the trusted worker contradicts what jobs were built on', () => {
  it('they are stopped at once, wait, and are built on the right bytes', async () => {
    const bench = await pipelineOf();
    const { lib, test, app: top } = await three(bench);
    await agree(bench, lib, exited(A));
    await agree(bench, test, exited(B));
    const [held] = await lease(bench, top, 'ada', 'bob');
    const before = bench.facts(test).jobId;
    await trustedBuilds(bench, lib, exited(B));
    expect(stateOf(bench, lib)).toEqual(['building', null]);
    for (const run of [test, top]) expect(stateOf(bench, run)).toEqual(['waiting', null]);
    expect(bench.progress(test, 'input-lost')).toEqual([
      { kind: 'input-lost', input: 'lib', artifact: B, reason: 'lib, which it needs, was contradicted' },
    ]);
    expect(bench.all('release')).toContainEqual(
      expect.objectContaining({ lease: held?.[1].id, code: 'INPUT_LOST' }),
    );
    expect([...bench.controller.state.offers.values()]).toEqual([lib]);
    await agree(bench, lib, exited(B), ['dan', 'eve', 'fay']);
    bench.cosign(lib);
    const { jobId, job, rounds, earlier, receipts } = bench.run(test);
    expect(job.inputs).toEqual({ lib: B });
    expect(rounds.map(({ n, offer }) => [n, offer.job])).toEqual([[1, jobId]]);
    expect([earlier.map((one) => one.jobId), receipts]).toEqual([[before], []]);
    // Those who built it on the wrong bytes may build it again.
    await agree(bench, test, exited(treeCid('tested b')));
    await agree(bench, top, appOfB);
    await trust(bench, top, appOfB);
    for (const run of [lib, test, top]) expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    const listed = bench.result(test).verdict?.predicate.quorate_verdict.receipts;
    expect(listed).toHaveLength(3);
    bench.replay();
    for (const run of [lib, test, top]) expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
  });

  it('those whose publisher cancelled them never come back', async () => {
    const bench = await pipelineOf();
    const { lib, test, app: top } = await three(bench);
    await agree(bench, lib, exited(A));
    await trustedBuilds(bench, lib, exited(B));
    const by = bench.id('publisher');
    bench.send({ kind: 'cancel', token: bench.token('cancel'), which: test, by, reason: 'no' });
    await agree(bench, lib, exited(B), ['dan', 'eve', 'fay']);
    bench.cosign(lib);
    for (const run of [test, top]) expect(stateOf(bench, run)[0]).toBe('cancelled');
    expect(bench.facts(test).rounds).toHaveLength(1);
  });

  it('they end with it where it comes to nothing else', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib', { policy: { rounds: 1 } });
    const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody });
    await agree(bench, lib, exited(A));
    await agree(bench, test, exited(B));
    await trustedBuilds(bench, lib, exited(B));
    expect(stateOf(bench, lib)).toEqual(['done', 'disputed']);
    expect(bench.progress(test, 'cancelled')).toEqual([
      { kind: 'cancelled', reason: 'lib, which it needs, ended as disputed' },
    ]);
  });

  it('a result that is in is thrown away, and its worker told so also when it asks later', async () => {
    const bench = await pipelineOf();
    const { lib, test } = await three(bench);
    await agree(bench, lib, exited(A));
    const [held] = await lease(bench, test, 'ada', 'bob', 'cy');
    if (held === undefined) throw new Error('a lease');
    await bench.deliver('ada', held[1], exited(B));
    await trustedBuilds(bench, lib, exited(B));
    const released = () => bench.all('release').filter((effect) => effect.lease === held[1].id);
    // The library may come to the same bytes again.
    expect(released()).toEqual([]);
    await agree(bench, lib, exited(B), ['dan', 'eve', 'fay']);
    bench.cosign(lib);
    expect(released()).toMatchObject([{ code: 'INPUT_LOST' }]);
    bench.resume('ada', held[1]);
    expect(released()).toHaveLength(2);
  });

  it('a run that was agreed in time and ended before does not stand either', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody, seconds: 600 });
    await agree(bench, lib, exited(A));
    const [trusted] = await lease(bench, lib, 'trusted');
    if (trusted === undefined) throw new Error('a lease');
    await agree(bench, test, exited(B));
    for (let waited = 0; waited < 620_000; waited += 20_000) {
      bench.drive(20_000);
      bench.beat([[trusted[0], trusted[1]]]);
    }
    bench.store(test);
    expect(stateOf(bench, test)).toEqual(['done', 'agreed']);
    await bench.deliver('trusted', trusted[1], exited(B));
    expect(stateOf(bench, test)).toEqual(['cancelled', null]);
    expect(reasonsOf(bench, test)).toEqual(['lib, which it needs, was contradicted']);
  });
});

describe('where a verdict that others rest on is revoked once all is over', () => {
  it('it stays as it ended where something voids it whole before its documents are here', async () => {
    const bench = await pipelineOf();
    const { lib, recall } = await threeTrusted(bench);
    const { jobId } = bench.facts(lib);
    for (const id of ['ada', 'bob']) await bench.revoke({ kind: 'operator', id }, { since: 0 });
    expect(recalls(bench)).toContain(lib);
    await bench.revoke({ kind: 'job', id: jobId }, { since: 0 });
    recall(lib);
    expect(stateOf(bench, lib)).toEqual(['done', 'trusted']);
    expect(bench.facts(lib).revoked).not.toBeNull();
    expect(bench.progress(lib, 'reopened')).toEqual([]);
    bench.replay();
    expect(bench.controller.state.recalls.has(lib)).toBe(false);
  });

  it('it is built again by fresh operators, and what came of the same bytes counts without another build', async () => {
    const bench = await pipelineOf();
    const { lib, test, app: top, all, recall } = await threeTrusted(bench, ['dan', 'eve', 'fay']);
    for (const id of ['ada', 'bob']) await bench.revoke({ kind: 'operator', id }, { since: 0 });
    expect(new Set(recalls(bench))).toEqual(new Set(all));
    for (const run of all) recall(run);
    expect(stateOf(bench, lib)).toEqual(['building', null]);
    for (const run of [test, top]) expect(stateOf(bench, run)).toEqual(['waiting', null]);
    await agree(bench, lib, exited(A), ['dan', 'eve', 'fay']);
    expect(stateOf(bench, test)[0]).toBe('pinning');
    bench.pinned(test);
    await trust(bench, lib, exited(A));
    expect(stateOf(bench, lib)).toEqual(['done', 'trusted']);
    expect(bench.run(lib).rounds).toHaveLength(2);
    bench.witness(test);
    bench.pinned(top);
    // Its signature is asked for again, and the trusted worker signs what it built.
    await trust(bench, top, app);
    for (const run of all)
      expect([stateOf(bench, run), bench.facts(run).revoked]).toEqual([['done', 'trusted'], null]);
    for (const run of [test, top]) expect(bench.run(run).rounds).toHaveLength(1);
  });

  it('a run whose evidence is enough without what is revoked rises again without a build', async () => {
    const bench = await pipelineOf();
    const { lib, test, recall } = await threeTrusted(bench);
    await bench.revoke({ kind: 'key', id: bench.id('trusted') }, { since: 0, as: 'root' });
    recall(lib);
    expect(stateOf(bench, lib)[0]).toBe('pinning');
    bench.pinned(lib);
    expect(stateOf(bench, lib)).toEqual(['agreed', 'agreed']);
    recall(test);
    expect(stateOf(bench, test)[0]).toBe('pinning');
  });

  it('it stays revoked where no operator is left for another round, and what waits for it ends', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib', { policy: { rounds: 1 } });
    const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody });
    await agree(bench, lib, exited(A));
    await trust(bench, lib, exited(A));
    await agree(bench, test, exited(B));
    for (const run of [lib, test]) bench.store(run);
    for (const id of ['ada', 'bob']) await bench.revoke({ kind: 'operator', id }, { since: 0 });
    expect(recalls(bench)).toEqual([]);
    for (const run of [lib, test]) expect(stateOf(bench, run)).toEqual(['done', 'trusted']);
    for (const run of [lib, test]) expect(bench.facts(run).revoked).not.toBeNull();
  });

  it('it stays as it is once its request has ended', async () => {
    const bench = await pipelineOf();
    await threeTrusted(bench);
    bench.drive(3_700_000);
    for (const id of ['ada', 'bob']) await bench.revoke({ kind: 'operator', id }, { since: 0 });
    expect(recalls(bench)).toEqual([]);
  });

  it.each([
    ['a moment before its request ends', -1, 0, true],
    ['when its request ends', 0, 0, false],
    ['beside 999 open requests', -1, 999, true],
    ['beside 1,000 open requests', -1, 1_000, false],
  ])('%s it is built again or not', async (_when, ms, open, again) => {
    const bench = await pipelineOf();
    const { lib } = await threeTrusted(bench);
    bench.drive(bench.facts(lib).request.payload.exp * 1000 + ms - bench.now);
    if (open > 0) Object.defineProperty(bench.controller.state.index.open, 'size', { value: open });
    for (const id of ['ada', 'bob']) await bench.revoke({ kind: 'operator', id }, { since: 0 });
    expect(recalls(bench).includes(lib)).toBe(again);
  });

  it('a waiting run ends where the documents are lost; their recall survives a restart', async () => {
    const bench = await pipelineOf();
    const { lib, test, app: top, recall } = await threeTrusted(bench);
    for (const id of ['ada', 'bob']) await bench.revoke({ kind: 'operator', id }, { since: 0 });
    recall(test);
    expect(stateOf(bench, test)).toEqual(['waiting', null]);
    const asked = recalls(bench).length;
    await bench.restart();
    expect(recalls(bench).slice(asked)).toEqual([lib, top]);
    expect(stateOf(bench, test)).toEqual(['waiting', null]);
    bench.recall(lib, null);
    expect(bench.progress(test, 'cancelled')).toEqual([
      { kind: 'cancelled', reason: 'lib, which it needs, was revoked' },
    ]);
  });

  it('comes to the same in a replay, whichever bundles are there', async () => {
    const bench = await pipelineOf();
    const { lib, all, recall } = await threeTrusted(bench);
    for (const id of ['ada', 'bob']) await bench.revoke({ kind: 'operator', id }, { since: 0 });
    for (const run of all) recall(run);
    await agree(bench, lib, exited(A), ['dan', 'eve', 'fay']);
    const leaves = bench.controller.state.log.leaves();
    const states = all.map((run) => [stateOf(bench, run), bench.facts(run).jobId]);
    for (const names of [undefined, new Set<string>()]) {
      bench.replay(names);
      expect(bench.controller.state.log.leaves()).toEqual(leaves);
      expect(all.map((run) => [stateOf(bench, run), bench.facts(run).jobId])).toEqual(states);
    }
    // Those of verdicts that are not the last ones any more are not bundles that are missing.
    expect(bench.lost.runs.filter((run) => bench.controller.state.runs.has(run))).toEqual([]);
  });
});

describe('documents that are not those of the run', () => {
  type Documents = NonNullable<Parameters<Bench['recall']>[1]>;
  it.each<[string, (documents: Documents, other: Documents) => Documents]>([
    ['of another request', (documents, { request }) => ({ ...documents, request })],
    ['of another job', (documents, { job }) => ({ ...documents, job })],
    ['without its rounds', (documents) => ({ ...documents, offers: [] })],
    ['with a round more', ({ offers, ...documents }) => ({ ...documents, offers: [...offers, ...offers] })],
    ['of other rounds', (documents, { offers }) => ({ ...documents, offers })],
    ['without its receipts', (documents) => ({ ...documents, receipts: documents.receipts.slice(1) })],
  ])('%s bring it back no more', async (_name, change) => {
    const bench = await pipelineOf();
    const { lib, documents, test } = await threeTrusted(bench);
    for (const id of ['ada', 'bob']) await bench.revoke({ kind: 'operator', id }, { since: 0 });
    expect(recalls(bench)).toContain(lib);
    const [own, other] = [documents.get(lib), documents.get(test)];
    if (own === undefined || other === undefined) throw new Error('both are there');
    bench.recall(lib, change(own, other));
    expect(stateOf(bench, lib)).toEqual(['done', 'trusted']);
    expect(bench.controller.state.recalls.has(lib)).toBe(false);
    // It is not asked for again.
    bench.recall(lib, own);
    expect(stateOf(bench, lib)).toEqual(['done', 'trusted']);
  });
});

it('a run that the charter does not allow any more is not brought back', async () => {
  const bench = await pipelineOf();
  const { lib, recall } = await threeTrusted(bench);
  for (const id of ['ada', 'bob']) await bench.revoke({ kind: 'operator', id }, { since: 0 });
  const floor = { agree: 3, of: 3, cosign: 'required', rounds: 1 } as const;
  bench.send({ kind: 'charter', charter: await bench.paper.charter({ epoch: 2, floor }) });
  recall(lib);
  expect(stateOf(bench, lib)).toEqual(['done', 'trusted']);
});

describe('a run that is to be built on other inputs', () => {
  /** The trusted worker contradicts what was read, and others agree with it, after `before` made the run. */
  const builtAgain = async (before: readonly string[]) => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const test = await publish(bench, 'test', { needs: { lib: [lib] }, policy: nobody });
    await agree(bench, lib, exited(A));
    const run = bench.run(test);
    for (const jobId of before) run.earlier.push({ jobId, rounds: [], receipts: [] });
    await trustedBuilds(bench, lib, exited(B));
    await agree(bench, lib, exited(B), ['dan', 'eve', 'fay']);
    bench.cosign(lib);
    const { phase, jobId } = bench.facts(test);
    return phase.kind === 'cancelled' ? phase.reason : jobId;
  };

  it('lets the trusted worker go that had built it on the first', async () => {
    const bench = await pipelineOf();
    const lib = await publish(bench, 'lib');
    const top = await publish(bench, 'app', { needs: { lib: [lib] } });
    await agree(bench, lib, exited(A));
    const [held] = await lease(bench, top, 'trusted');
    await bench.deliver('trusted', held?.[1], app);
    expect(bench.run(top).trusted.kind).toBe('delivered');
    await trustedBuilds(bench, lib, exited(B));
    await agree(bench, lib, exited(B), ['dan', 'eve', 'fay']);
    bench.cosign(lib);
    expect(bench.run(top).trusted).toEqual({ kind: 'free' });
    const released = { worker: bench.id('trusted'), lease: held?.[1].id, code: 'INPUT_LOST' };
    expect(bench.all('release')).toContainEqual(expect.objectContaining(released));
    expect(bench.controller.state.leases.has(held?.[1].id ?? '')).toBe(false);
  });

  it('is built on eight at most, each once', async () => {
    const instance = await builtAgain(Array(6).fill('another'));
    expect(await builtAgain([])).toBe(instance);
    expect(await builtAgain(Array(7).fill('another'))).toBe(
      'it was built on 8 different inputs: publish it again',
    );
    expect(await builtAgain([instance])).toBe(
      'what it needs came to bytes that it was built on before: publish it again',
    );
  });
});

describe('a run that waits again and gets the same bytes', () => {
  it('has a window and a time for its slots of their whole length', async () => {
    const bench = await pipelineOf();
    const { lib, recall } = await threeTrusted(bench);
    const late = await publish(bench, 'late', { needs: { lib: [lib] }, policy: { ...nobody, rounds: 1 } });
    await bench.revoke({ kind: 'key', id: bench.id('trusted') }, { since: 0, as: 'root' });
    expect(stateOf(bench, late)).toEqual(['waiting', null]);
    bench.drive(30_000);
    recall(lib);
    bench.pinned(lib);
    const { windowMs, slotFillMs } = timings;
    expect(bench.run(late).rounds[0]).toMatchObject({
      windowOpen: true,
      windowEnds: bench.now + windowMs,
      fillBy: bench.now + windowMs + slotFillMs,
    });
  });

  it('goes on with the round that was stopped', async () => {
    const bench = await pipelineOf();
    const { lib, recall } = await threeTrusted(bench);
    const late = await publish(bench, 'late', { needs: { lib: [lib] }, policy: { ...nobody, rounds: 1 } });
    const leases = new Map(await lease(bench, late, 'ada', 'dan', 'eve'));
    await bench.deliver('dan', leases.get('dan'), exited(B));
    await bench.revoke({ kind: 'key', id: bench.id('trusted') }, { since: 0, as: 'root' });
    expect(stateOf(bench, late)).toEqual(['waiting', null]);
    recall(lib);
    bench.pinned(lib);
    expect(stateOf(bench, late)).toEqual(['building', null]);
    expect(bench.run(late).rounds).toHaveLength(1);
    const again = new Map(await lease(bench, late, 'ada', 'eve'));
    expect([...again.keys()]).toEqual(['ada', 'eve']);
    for (const [key, held] of again) await bench.deliver(key, held, exited(B));
    bench.pinned(late);
    expect(stateOf(bench, late)).toEqual(['agreed', 'agreed']);
    expect(bench.run(late).receipts).toHaveLength(3);
  });
});
