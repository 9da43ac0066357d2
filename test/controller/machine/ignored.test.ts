import { describe, expect, it } from 'vitest';
import { snapshot } from '../../../simulations/snapshot.ts';
import type { ControllerEvent } from '../../../src/controller/machine/events.ts';
import { again } from './asked-again.ts';
import { type Bench, built, deliverAll, leasedRound, timings } from './bench.ts';

const hash = 'f'.repeat(64);

/** Where events find a run: while it is built, while its artifact is fetched, and when it is over. */
async function runs() {
  const { bench, run, leases, trusted } = await leasedRound();
  const offer = bench.run(run).rounds[0]?.offerId ?? '';
  const [ada, bob] = [bench.id('ada'), bench.id('bob')];
  const lease = leases.get('ada')?.id ?? '';
  return { bench, run, leases, trusted, offer, ada, bob, lease };
}
type Runs = Awaited<ReturnType<typeof runs>>;

function ignores(bench: Bench, event: ControllerEvent): void {
  const before = snapshot(bench.controller.state);
  expect(bench.send(event)).toEqual([]);
  expect(bench.durability).toBe('none');
  expect(snapshot(bench.controller.state)).toBe(before);
}

const pinned = { kind: 'pinned', artifact: 'other', ok: true, detail: '' } as const;
const refused = { kind: 'cosign-refused', code: 'X', message: '' } as const;
const cosigned = { kind: 'cosigned', verdict: hash, signature: 'c2ln', witness: 'w' } as const;
const note = { size: 1, note: '', lines: { keys: [], named: [] }, grants: [] };
const witnessed = { kind: 'witnessed', verdict: hash, root: hash, log: note } as const;

describe('an event is ignored', () => {
  it.each<[string, (of: Runs) => ControllerEvent]>([
    ['silence of a lease that there is not', () => ({ kind: 'silent', lease: hash })],
    [
      'the end of a lease that there is not',
      ({ ada }) => ({ kind: 'failed', lease: hash, worker: ada, code: 'X', message: '' }),
    ],
    [
      'the end of a lease, by another worker',
      ({ bob, lease }) => ({ kind: 'failed', lease, worker: bob, code: 'X', message: '' }),
    ],
    [
      'a heartbeat on a lease that there is not',
      ({ ada }) => ({ kind: 'heartbeat', lease: hash, worker: ada }),
    ],
    [
      'a heartbeat on a lease, by another worker',
      ({ bob, lease }) => ({ kind: 'heartbeat', lease, worker: bob }),
    ],
    [
      'the end of the stream of a lease, by another worker',
      ({ bob, lease }) => ({ kind: 'detached', lease, worker: bob }),
    ],
    ['free slots of an offer that there is not', () => ({ kind: 'untaken', offer: hash })],
    ['free slots where too few results are in', ({ offer }) => ({ kind: 'untaken', offer })],
    ['answers to an offer that there is not', () => ({ kind: 'answered', offer: hash })],
    ['answers to an offer whose window is closed', ({ offer }) => ({ kind: 'answered', offer })],
    [
      'a pass on an offer that there is not',
      ({ ada }) => ({ kind: 'passed', offer: hash, worker: ada, reason: 'no' }),
    ],
    ['a pass by nobody', ({ offer }) => ({ kind: 'passed', offer, worker: 'nobody', reason: 'no' })],
    [
      'a pass where no slot is free',
      ({ ada, offer }) => ({ kind: 'passed', offer, worker: ada, reason: 'no' }),
    ],
    ['older workers of a run that there is not', () => ({ kind: 'outdated', run: hash, workers: [] })],
    ['older workers of a run that others have begun', ({ run }) => ({ kind: 'outdated', run, workers: [] })],
    ['a bundle of a run that there is not', () => ({ kind: 'stored', run: hash, verdict: hash })],
    ['a bundle of a verdict that there is not', ({ run }) => ({ kind: 'stored', run, verdict: hash })],
    ['an artifact of a run that there is not', () => ({ ...pinned, run: hash })],
    ['an artifact of a run that is built', ({ run }) => ({ ...pinned, run })],
    ['a signature for a run that there is not', ({ ada }) => ({ ...cosigned, run: hash, worker: ada })],
    ['a signature for a run that is built', ({ ada, run }) => ({ ...cosigned, run, worker: ada })],
    ['a refusal of a run that there is not', ({ ada }) => ({ ...refused, run: hash, worker: ada })],
    ['a refusal of a run that is built', ({ ada, run }) => ({ ...refused, run, worker: ada })],
    ['witnesses of a run that there is not', () => ({ ...witnessed, run: hash })],
    ['witnesses of a run that is built', ({ run }) => ({ ...witnessed, run })],
    [
      'documents of a run that there is not',
      () => ({ kind: 'recalled', run: hash, entropy: '', documents: null }),
    ],
    [
      'documents of a run that nobody asked for',
      ({ run }) => ({ kind: 'recalled', run, entropy: '', documents: null }),
    ],
    ['a hand-over of a lease whose run is built', ({ lease }) => ({ kind: 'hand-over', lease, reason: '' })],
  ])('%s', async (_name, event) => {
    const all = await runs();
    ignores(all.bench, event(all));
  });

  it('that is about another artifact than the one that is fetched, or comes once it is', async () => {
    const { bench, run, leases } = await runs();
    await deliverAll(bench, leases, []);
    ignores(bench, { ...pinned, run });
    bench.pinned(run);
    expect(bench.result(run).level).toBe('agreed');
    const { artifact = '' } = bench.all('pin').at(-1) ?? {};
    ignores(bench, { ...pinned, artifact, run });
  });

  it('that answers for an artifact in the name of a store, where there is none', async () => {
    const { bench, run, leases } = await runs();
    await deliverAll(bench, leases, [built]);
    const { artifact = '' } = bench.all('pin').at(-1) ?? {};
    ignores(bench, { ...pinned, artifact, run, store: 'a store' });
  });
});

describe('an answer of a store about the artifact of an earlier run', () => {
  it('counts once it is enough, of the stores that were asked, and about that artifact', async () => {
    const { bench, run } = await again();
    bench.stores = { ids: ['one', 'two'], copies: 2 };
    await bench.start();
    const { phase } = bench.run(run);
    const artifact = phase.kind === 'answering' ? phase.artifact : expect.fail('it is looked for');
    const says = (store: string, of = artifact) =>
      bench.send({ kind: 'pinned', run, artifact: of, store, ok: true, detail: '' });
    ignores(bench, { ...pinned, run, store: 'one' });
    ignores(bench, { ...pinned, artifact, run, store: 'another' });
    expect(says('one')).toEqual([]);
    expect([bench.run(run).phase.kind, bench.progress(run, 'answer-failed')]).toEqual(['answering', []]);
    ignores(bench, { ...pinned, artifact, run, store: 'one' });
    says('two');
    expect(bench.progress(run, 'answered')).toHaveLength(1);
  });
});

it('a run ends with its request where the artifact of the earlier one is not found by then', async () => {
  const { bench, run } = await again();
  bench.drive(bench.run(run).request.payload.exp * 1000 - 1 - bench.now);
  expect(bench.facts(run).phase.kind).toBe('answering');
  bench.drive(1);
  expect(bench.progress(run, 'cancelled')).toMatchObject([
    { reason: 'the request ended before the artifact of the earlier build was there' },
  ]);
});

it('a pin that fails is tried again, three times in all', async () => {
  const { bench, run, leases } = await runs();
  await deliverAll(bench, leases, []);
  const pins = () => bench.all('pin').length;
  for (const tries of [1, 2]) {
    bench.pinned(run, false);
    expect([pins(), bench.progress(run, 'pin-failed')]).toEqual([tries, []]);
    bench.drive(timings.pinRetryMs - 1);
    expect(pins()).toBe(tries);
    bench.drive(1);
    expect(pins()).toBe(tries + 1);
  }
  bench.pinned(run, false);
  expect(bench.progress(run, 'pin-failed')).toHaveLength(1);
  bench.drive(timings.pinRetryMs);
  expect(pins()).toBe(3);
});

describe('a lease is resumed by nobody', () => {
  it.each<[string, (of: Runs) => string]>([
    ['but its worker', () => 'bob'],
    [
      'once it is over',
      ({ bench, lease, ada }) => {
        bench.send({ kind: 'failed', lease, worker: ada, code: 'X', message: '' });
        return 'ada';
      },
    ],
  ])('%s', async (_name, by) => {
    const all = await runs();
    const key = by(all);
    const held = all.leases.get('ada') ?? expect.fail('it has a lease');
    const [reply] = all.bench.resume(key, held);
    expect(reply).toMatchObject({ kind: 'reply', reply: { kind: 'error', code: 'LEASE_LOST' } });
    expect(all.bench.durability).toBe('none');
  });
});
