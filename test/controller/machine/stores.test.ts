import { describe, expect, it } from 'vitest';
import { countAnswer } from '../../../src/controller/machine/rounds/pin.ts';
import type { Transition } from '../../../src/controller/machine/state.ts';
import { built, deliverAll, leasedRound, other, timings } from './bench.ts';

const A = built.kind === 'exit' ? (built.artifact ?? '') : '';
const [one, two, three] = ['store-1', 'store-2', 'store-3'];

/** A round that three operators have agreed in, whose controller has these stores. */
async function agreed(ids: string[], copies: number) {
  const round = await leasedRound({ policy: { cosign: 'none' } }, 'dan', 'eve');
  const { bench, run } = round;
  bench.stores = { ids, copies };
  await bench.start();
  await deliverAll(bench, round.leases, [built, built, other]);
  const says = (store: string, ok: boolean, fault?: 'signers' | 'store') =>
    bench.send({
      kind: 'pinned',
      run,
      artifact: A,
      store,
      ok,
      detail: ok ? '' : 'no',
      ...(fault === undefined ? {} : { fault }),
    });
  return { ...round, says };
}

describe('a controller that keeps no bytes', () => {
  it('asks its stores, and publishes once as many of them keep the artifact as are wanted', async () => {
    const { bench, run, says } = await agreed([one, two, three], 2);
    expect(bench.all('pin').at(-1)).toMatchObject({ artifact: A, stores: [one, two, three] });
    says(one, true);
    expect(bench.run(run).phase.kind).toBe('pinning');
    says(three, true);
    expect(bench.result(run).level).toBe('trusted');
  });

  it('counts a store once, and nobody that it did not ask', async () => {
    const { bench, run, says } = await agreed([one, two], 2);
    says(one, true);
    says(one, true);
    says('mallory', true);
    bench.send({ kind: 'pinned', run, artifact: A, ok: true, detail: '' });
    expect(bench.run(run).phase.kind).toBe('pinning');
    says(two, true);
    expect(bench.result(run).level).toBe('trusted');
  });

  it('takes no word of a store where it keeps artifacts itself', async () => {
    const { bench, run, leases } = await leasedRound({ policy: { cosign: 'none' } });
    await deliverAll(bench, leases, [built, built, other]);
    expect(bench.all('pin').at(-1)?.stores).toBeUndefined();
    bench.send({ kind: 'pinned', run, artifact: A, store: one, ok: true, detail: '' });
    expect(bench.run(run).phase.kind).toBe('pinning');
    bench.pinned(run);
    expect(bench.result(run).level).toBe('trusted');
  });

  it('waits for stores that are away, and blames nobody who built', async () => {
    const { bench, run, says } = await agreed([one, two], 2);
    says(one, true);
    for (let n = 0; n < 2 * timings.pinTriesMax; n++) {
      says(two, false, 'store');
      bench.drive(5 * timings.pinRetryMs);
    }
    expect(bench.run(run).phase).toMatchObject({ kind: 'pinning', tries: 0 });
    expect(bench.progress(run, 'unconfirmed')).toHaveLength(1);
    // A store that keeps it is not asked again.
    expect(bench.all('pin').at(-1)?.stores).toEqual([two]);
    says(two, true);
    expect(bench.result(run).level).toBe('trusted');
  });

  it("gives an artifact up that no store could get from its signers, as nobody's", async () => {
    const { bench, run, says } = await agreed([one, two], 1);
    for (let n = 0; n < timings.pinTriesMax; n++) {
      says(one, false, 'signers');
      says(two, false, 'signers');
      bench.drive(timings.pinRetryMs);
    }
    expect(bench.progress(run, 'pin-failed')).toMatchObject([{ artifact: A }]);
    expect(bench.offer.round).toBe(2);
  });

  it('gives it up where enough stores were there and got nothing, and another one never comes back', async () => {
    const { bench, run, says } = await agreed([one, two], 1);
    for (let n = 0; n < timings.pinTriesMax; n++) {
      says(one, false, 'store');
      says(two, false, 'signers');
      bench.drive(timings.pinRetryMs);
    }
    expect(bench.progress(run, 'pin-failed')).toMatchObject([{ artifact: A }]);
    expect(bench.offer.round).toBe(2);
  });

  it.each([
    { ids: [one, two, three], copies: 2, down: [two] },
    { ids: [one, two, three], copies: 3, down: [] },
    { ids: [one, three], copies: 2, down: [] },
  ])('waits where one says that it got nothing, and one keeps it: $copies of $ids', async (stores) => {
    const { bench, run, says } = await agreed(stores.ids, stores.copies);
    const honest = stores.ids.filter((id) => id !== three && !stores.down.includes(id));
    for (const id of honest) says(id, true);
    for (let n = 0; n < 2 * timings.pinTriesMax; n++) {
      for (const id of stores.down) says(id, false, 'store');
      says(three, false, 'signers');
      bench.drive(5 * timings.pinRetryMs);
    }
    expect(bench.progress(run, 'pin-failed')).toEqual([]);
    // The others may get it from those that keep it.
    expect(bench.all('pin').at(-1)).toMatchObject({ from: expect.arrayContaining(honest) });
    says(three, true);
    expect(bench.result(run).level).toBe('trusted');
  });

  it('asks all of them again after a restart, also others than before', async () => {
    const { bench, run, says } = await agreed([one, two], 2);
    says(one, true);
    bench.stores = { ids: [two, three], copies: 2 };
    const effects = await bench.restart();
    expect(effects).toContainEqual(expect.objectContaining({ kind: 'pin', stores: [two, three] }));
    says(two, true);
    says(one, true);
    expect(bench.run(run).phase.kind).toBe('pinning');
    says(three, true);
    expect(bench.result(run).level).toBe('trusted');
  });
});

describe('answers of stores', () => {
  const answer = (said: string, rules: number, copies = 2) => {
    const stores = { ids: ['a', 'b', 'c'], copies };
    const answers = { by: [], failed: [] };
    // Each store in turn: kept, down, or refused by the signers.
    const results = [...said].map((one, n) =>
      countAnswer({ state: { stores }, rules } as unknown as Transition, answers, {
        store: stores.ids[n],
        ok: one === 'k',
        fault: one === 'd' ? 'store' : 'signers',
      }),
    );
    return results.join(' ');
  };

  it.each([
    ['kk', 3, 'waiting kept'],
    ['kdk', 3, 'waiting waiting kept'],
    ['kds', 3, 'waiting waiting store'],
    ['kss', 3, 'waiting waiting signers'],
    ['ss', 3, 'waiting signers'],
    ['sd', 3, 'waiting store'],
    ['dd', 3, 'waiting store'],
    // Under the rules before those that are down counted as if they would keep it.
    ['kds', 2, 'waiting waiting store'],
    ['kss', 2, 'waiting waiting signers'],
    ['sd', 2, 'waiting signers'],
    ['dd', 2, 'waiting store'],
  ])('%s under rules %i: %s', (said, rules, result) => {
    expect(answer(said, rules)).toBe(result);
  });

  it('count once each, and those of others not at all', () => {
    const stores = { ids: ['a', 'b', 'c'], copies: 2 };
    const count = (answers: { by: string[]; failed: [] }, of: typeof stores | null, store?: string) =>
      countAnswer({ state: { stores: of }, rules: 3 } as unknown as Transition, answers, {
        ...(store !== undefined && { store }),
        ok: true,
      });
    const answers = { by: [] as string[], failed: [] as [] };
    expect(count(answers, stores, 'a')).toBe('waiting');
    expect(count(answers, stores, 'a')).toBe('foreign');
    expect(count(answers, stores, 'other')).toBe('foreign');
    expect(count(answers, stores)).toBe('foreign');
    expect(count(answers, null, 'a')).toBe('foreign');
    expect(count(answers, null)).toBe('kept');
  });
});
