import { describe, expect, it } from 'vitest';
import { publishedParts } from '../../../src/controller/machine/queries/draft.ts';
import { summaryOf } from '../../../src/controller/machine/queries/summary.ts';
import { publishedOf } from '../../../src/controller/machine/state.ts';
import { type Charter, formatNoteKey, noteKinds } from '../../../src/protocol/documents/index.ts';
import { type Bench, built, deliverAll, leasedRound } from './bench.ts';
import { verified } from './evidence.ts';

/** Two of three operators agree, no co-signature is required, and nobody witnesses by itself. */
async function waiting(over: Parameters<typeof leasedRound>[0] = {}, ...more: string[]) {
  const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' }, ...over }, ...more);
  bench.witnessing = false;
  await deliverAll(bench, leases, [built, built, built]);
  bench.pinned(run);
  return { bench, run };
}

const named = (bench: Bench, need: number, ...names: string[]): Pick<Charter, 'witnesses'> => ({
  witnesses: {
    need,
    keys: names.map((name) => formatNoteKey(name, noteKinds.cosignature, bench.id(`witness ${name}`))),
  },
});
const verdictOf = (bench: Bench, run: string) => publishedOf(bench.run(run))?.verdict;

describe('a run that is decided on without a co-signature', () => {
  it('is published once workers of as many operators as agree have witnessed its verdict', async () => {
    const { bench, run } = await waiting();
    expect(bench.result(run)).toMatchObject({ state: 'witnessing', level: null });
    expect(bench.all('verdict')).toEqual([]);
    expect(bench.progress(run, 'witnessing')).toEqual([{ kind: 'witnessing', operators: 2, named: 0 }]);
    const effects = bench.witness(run, { keys: ['ada', 'cy'] });
    expect(effects.map(({ kind }) => kind)).toContain('verdict');
    expect(bench.durability).toBe('sync');
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
    expect(await verified(bench, run)).toBe('trusted');
  });

  it('leases and offers nothing any more while it waits', async () => {
    const { bench, run } = await waiting();
    expect(bench.controller.state.offers.size).toBe(0);
    expect(bench.run(run).rounds.flatMap(({ slots }) => slots.map(({ kind }) => kind))).not.toContain(
      'leased',
    );
  });

  it('with fewer is agreed, says who is missing, and is trusted when they have come', async () => {
    const { bench, run } = await waiting();
    bench.witness(run, { keys: ['ada'] });
    expect(bench.result(run)).toMatchObject({ state: 'witnessing', level: 'agreed' });
    expect(await verified(bench, run)).toBe('agreed');
    const missing = {
      operators: ['ada'],
      operatorsNeeded: 2,
      named: [],
      namedNeeded: 0,
      namedMissing: [],
    };
    expect(bench.progress(run, 'unwitnessed')).toEqual([{ kind: 'unwitnessed', ...missing }]);
    expect(summaryOf(bench.controller.state, bench.run(run))).toMatchObject({ missing });

    // Told once, and no event of the journal each time.
    expect(bench.witness(run, { keys: ['bob'] })).toEqual([]);
    expect(bench.durability).toBe('none');
    expect(summaryOf(bench.controller.state, bench.run(run)).missing?.operators).toEqual(['bob']);
    bench.witness(run, { keys: ['bob', 'cy'] });
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
    expect(await verified(bench, run)).toBe('trusted');
    expect(bench.controller.state.presence.witnessed.size).toBe(0);
  });

  it.each<[string, (bench: Bench) => Parameters<Bench['witness']>[1]]>([
    ['workers of one operator only', () => ({ keys: ['ada', 'ada'] })],
    ['the trusted worker and one other', () => ({ keys: ['ada', 'trusted'] })],
    ['a worker whose grant is not there', () => ({ keys: ['ada', 'dan'] })],
    ['lines of before the verdict', (bench) => ({ time: Math.floor(bench.now / 1000) - 61 })],
  ])('is not trusted by %s', async (_what, by) => {
    const { bench, run } = await waiting({}, 'dan');
    bench.witness(run, by(bench));
    expect(bench.result(run)).toMatchObject({ state: 'witnessing', level: 'agreed' });
  });

  it.each<[string, (bench: Bench, run: string) => Parameters<Bench['witness']>[1]]>([
    [
      'that does not hold it yet',
      (bench, run) => {
        const { phase } = bench.run(run);
        return { size: 'draft' in phase ? phase.draft.size - 1 : 0 };
      },
    ],
    ['larger than the log', (bench) => ({ size: bench.controller.state.log.size + 1 })],
    ['of another log', () => ({ root: '0'.repeat(64) })],
    ['for another draft', () => ({ verdict: '0'.repeat(64) })],
  ])('takes no checkpoint %s', async (_what, over) => {
    const { bench, run } = await waiting();
    expect(bench.witness(run, over(bench, run))).toEqual([]);
    expect(bench.durability).toBe('none');
    expect(bench.result(run)).toMatchObject({ state: 'witnessing', level: null });
  });

  it('counts workers without a receipt by their grants, which are in the bundle', async () => {
    const { bench, run } = await waiting({}, 'dan', 'eve');
    const grants = [bench.grantOf('dan'), bench.grantOf('eve')];
    bench.witness(run, { keys: ['dan', 'eve'], grants });
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
    expect(await verified(bench, run)).toBe('trusted');
  });

  it('takes no grant that does not hold, so that what is published is verified', async () => {
    const { bench, run } = await waiting({}, 'dan', 'eve');
    const [dan, eve] = [bench.grantOf('dan'), bench.grantOf('eve')];
    const time = dan.payload.exp + 61;
    expect(bench.witness(run, { keys: ['dan', 'eve'], grants: [dan, eve], time })).toEqual([]);
    expect(bench.durability).toBe('none');
    // Control: in time.
    bench.witness(run, { keys: ['dan', 'eve'], grants: [dan, eve], time: time - 1 });
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
  });

  it('needs the witnesses of the charter too, and says which are missing', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    bench.witnessing = false;
    const charter = await bench.paper.charter({ epoch: 2, ...named(bench, 1, 'w.example', 'v.example') });
    bench.send({ kind: 'charter', charter });
    await deliverAll(bench, leases, [built, built, built]);
    bench.pinned(run);
    bench.witness(run);
    expect(bench.progress(run, 'unwitnessed')).toMatchObject([
      { operators: ['ada', 'bob', 'cy'], namedNeeded: 1, namedMissing: ['w.example', 'v.example'] },
    ]);
    bench.witness(run, { named: ['v.example'] });
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
  });

  it('that a new charter comes over is decided on again under it, with its witnesses', async () => {
    const { bench, run } = await waiting();
    const before = bench.run(run).phase;
    const charter = await bench.paper.charter({ epoch: 2, ...named(bench, 1, 'w.example') });
    bench.send({ kind: 'charter', charter });
    const { phase } = bench.run(run);
    expect(phase.kind).toBe('witnessing');
    expect(phase).not.toEqual(before);
    bench.witness(run);
    expect(bench.result(run)).toMatchObject({ state: 'witnessing', level: 'agreed' });
    bench.witness(run, { named: ['w.example'] });
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'trusted' });
  });

  it('goes on waiting after a restart, with the same bundle when it has its witnesses', async () => {
    const { bench, run } = await waiting();
    bench.witness(run, { keys: ['ada'] });
    const agreed = verdictOf(bench, run)?.id;
    const effects = await bench.restart();
    expect(effects).toContainEqual({ kind: 'verdict', run });
    expect(verdictOf(bench, run)?.id).toBe(agreed);
    expect(bench.result(run)).toMatchObject({ state: 'witnessing', level: 'agreed' });
    bench.witness(run);
    const parts = publishedParts(bench.controller.state, run);
    // The log goes on; the proofs are for the checkpoint that was witnessed.
    await bench.enrol('flo');
    await bench.restart();
    expect(publishedParts(bench.controller.state, run)).toEqual(parts);
    expect(parts?.checkpoint.size).toBeLessThan(bench.controller.state.log.size);
    expect(await verified(bench, run)).toBe('trusted');
  });

  it('has its proofs at the size of a later checkpoint, where that was witnessed', async () => {
    const { bench, run } = await waiting();
    await bench.enrol('flo');
    bench.witness(run);
    expect(publishedParts(bench.controller.state, run)?.checkpoint.size).toBe(
      bench.controller.state.log.size,
    );
    expect(await verified(bench, run)).toBe('trusted');
  });

  it.each([
    ['nobody was asked', false],
    ['some were missing', true],
  ])('ends as agreed when its request ends: %s', async (_what, asked) => {
    const { bench, run } = await waiting({ seconds: 20 });
    if (asked) bench.witness(run, { keys: ['ada'] });
    bench.drive(20_000);
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'agreed' });
    expect(await verified(bench, run)).toBe('agreed');
    expect(bench.witness(run)).toEqual([]);
    bench.replay();
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'agreed' });
  });

  it('can be cancelled, and is witnessed no more', async () => {
    const { bench, run } = await waiting();
    const by = bench.id('publisher');
    bench.send({ kind: 'cancel', token: bench.token('cancel'), which: run, by, reason: 'wrong branch' });
    expect(bench.witness(run)).toEqual([]);
    expect(bench.result(run)).toMatchObject({ state: 'cancelled', level: null });
  });

  it('stands no more when a witness that it needs is revoked from before', async () => {
    const { bench, run } = await waiting();
    bench.witness(run, { keys: ['ada', 'bob'] });
    // The verdict is the last leaf: what rests on receipts stands.
    const { size } = bench.controller.state.log;
    await bench.revoke({ kind: 'key', id: bench.id('bob') }, { since: size });
    expect(bench.run(run).revoked).toBe(null);
    await bench.revoke({ kind: 'key', id: bench.id('ada') }, { since: size - 1 });
    expect(bench.run(run).revoked).toMatchObject({ what: { kind: 'key', id: bench.id('ada') } });
  });

  it('without outputs is no more than agreed, and waits for nobody', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    bench.witnessing = false;
    const nothing = { kind: 'exit', code: 0, artifact: null } as const;
    await deliverAll(bench, leases, [nothing, nothing, nothing]);
    expect(bench.result(run)).toMatchObject({ state: 'done', level: 'agreed' });
    expect(bench.all('pin')).toEqual([]);
  });
});
