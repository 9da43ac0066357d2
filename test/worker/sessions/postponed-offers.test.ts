import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/protocol/sessions/ports.ts';
import { fullShare } from '../../../src/protocol/trust/draw.ts';
import type { OfferNotice } from '../../../src/protocol/wire/messages.ts';
import { PostponedOffers } from '../../../src/worker/sessions/postponed-offers.ts';
import { Bench } from '../machine/bench.ts';

/** Timers in the tester's hand. */
class Timers {
  now = 1_000;
  readonly running = new Map<() => void, number>();
  readonly clock = {
    after: (ms: number, act: () => void) => {
      this.running.set(act, ms);
      return () => this.running.delete(act);
    },
    monotonic: () => this.now,
    closing: false,
  } as unknown as Clock;
}

const bench = new Bench();
const grant = (await bench.grant()).payload;

async function noticeOf(
  name: string,
  share: number,
  job = '{}',
): Promise<{ id: string; notice: OfferNotice }> {
  const { offer, request } = await bench.makeOffer(name, { share });
  return { id: offer.id, notice: { offer: offer.raw, request: request.raw, publisher: 'a.b.c', job } };
}

describe('an offer that an operator may not claim yet', () => {
  it('waits until it may, and says how long it did', async () => {
    const timers = new Timers();
    const postponed = new PostponedOffers(timers.clock);
    const taken: number[] = [];
    const { id, notice } = await noticeOf('app', 1);
    expect(postponed.put(id, notice, grant, (_, ms) => taken.push(ms))).toBe(true);
    expect(postponed.has(id, notice)).toBe(true);
    const [[act, ms] = [() => {}, 0]] = timers.running;
    act();
    expect(taken).toEqual([ms]);
    expect(ms).toBeGreaterThan(0);
    expect(postponed.has(id, notice)).toBe(false);
  });

  it('is left alone while its slots are taken, and looked at once the controller says that one is free', async () => {
    const timers = new Timers();
    const postponed = new PostponedOffers(timers.clock);
    const taken: number[] = [];
    const { id, notice } = await noticeOf('app', 1);
    postponed.told([]);
    postponed.put(id, notice, grant, (_, ms) => taken.push(ms));
    postponed.told([id]);
    // It may not claim yet.
    expect(taken).toEqual([]);
    postponed.told([]);
    const [[act, ms] = [() => {}, 0]] = timers.running;
    act();
    postponed.told(['another']);
    expect([taken, postponed.has(id, notice)]).toEqual([[], true]);
    postponed.told([id]);
    expect([taken, postponed.has(id, notice)]).toEqual([[ms], false]);
    postponed.told([id]);
    expect(taken).toEqual([ms]);
  });

  it('is looked at by the schedule alone where a controller of before says nothing of slots', async () => {
    const timers = new Timers();
    const postponed = new PostponedOffers(timers.clock);
    const taken: number[] = [];
    const { id, notice } = await noticeOf('app', 1);
    postponed.told([]);
    postponed.put(id, notice, grant, (_, ms) => taken.push(ms));
    for (const [act] of timers.running) act();
    expect(taken).toEqual([]);
    postponed.told(undefined);
    expect(taken).toHaveLength(1);
  });

  it('is looked at by the schedule alone once the feed has been gone for 90 s, and not where there is another one', async () => {
    for (const [isBack, count] of [
      [false, 1],
      [true, 0],
    ] as const) {
      const timers = new Timers();
      const postponed = new PostponedOffers(timers.clock);
      const taken: number[] = [];
      const { id, notice } = await noticeOf('app', 1);
      postponed.told([]);
      postponed.put(id, notice, grant, (_, ms) => taken.push(ms));
      for (const [act] of timers.running) act();
      postponed.lost();
      if (isBack) postponed.told([]);
      timers.now += 89_999;
      postponed.lost();
      expect(taken).toEqual([]);
      timers.now += 1;
      postponed.lost();
      expect(taken).toHaveLength(count);
    }
  });

  it('is left to the backlog where many wait and its slots are taken, and takes the place of such a one once a slot is free', async () => {
    const timers = new Timers();
    const postponed = new PostponedOffers(timers.clock);
    const { notice } = await noticeOf('app', 1);
    const put = (n: number) => postponed.put(`${n}`, notice, grant, () => {});
    postponed.told([]);
    for (let n = 0; n < 256; n++) put(n);
    expect([put(256), postponed.has('256', notice)]).toEqual([true, false]);
    postponed.told(['256']);
    // All of them may be free by the time that they may be claimed.
    expect(put(256)).toBe(false);
    [...timers.running.keys()][3]?.();
    expect(put(256)).toBe(true);
    expect(['256', '3', '2'].map((id) => postponed.has(id, notice))).toEqual([true, false, true]);
    expect(timers.running.size).toBe(257);
  });

  it('is looked at now where a false text with its id waits, which is no reason to leave it out', async () => {
    const timers = new Timers();
    const postponed = new PostponedOffers(timers.clock);
    const { id, notice } = await noticeOf('app', 1);
    // The id is a hash of what the offer says: anybody can put other documents beside it, or a signature that does not hold.
    const [head, payload] = notice.offer.split('.');
    for (const other of [{ request: 'a.b.c' }, { job: '{"a":1}' }, { offer: `${head}.${payload}.AAAA` }]) {
      const mixed = { ...notice, ...other };
      expect(postponed.put(id, mixed, grant, () => {})).toBe(true);
      expect(postponed.has(id, mixed)).toBe(true);
      expect(postponed.has(id, notice)).toBe(false);
      expect(postponed.put(id, notice, grant, () => {})).toBe(false);
      for (const [act] of timers.running) act();
      timers.running.clear();
    }
  });

  it('goes with a verdict on its request, and with no other', async () => {
    const timers = new Timers();
    const postponed = new PostponedOffers(timers.clock);
    const { id, notice } = await noticeOf('app', 1);
    const { request } = await bench.makeOffer('app', { share: 1 });
    postponed.put(id, notice, grant, () => {});
    postponed.settled('0'.repeat(64));
    expect([postponed.has(id, notice), timers.running.size]).toEqual([true, 1]);
    postponed.settled(request.id);
    expect([postponed.has(id, notice), timers.running.size]).toEqual([false, 0]);
  });

  it.each<[string, () => Promise<{ id: string; notice: OfferNotice }>, Partial<typeof grant>]>([
    ['of a draw below the share', () => noticeOf('app', fullShare), {}],
    ['that a trusted worker hears of', () => noticeOf('app', 1), { role: 'trusted-worker' }],
    ['made before the operator was enrolled', () => noticeOf('app', 1), { enrolled: 10 }],
    ['with a large job', () => noticeOf('app', 1, 'x'.repeat(32 * 1024)), {}],
    [
      'that is none',
      async () => ({ id: 'x', notice: { ...(await noticeOf('app', 1)).notice, offer: 'a.b.c' } }),
      {},
    ],
  ])('is not one %s, which is looked at now', async (_what, make, over) => {
    const { id, notice } = await make();
    const postponed = new PostponedOffers(new Timers().clock);
    expect(postponed.put(id, notice, { ...grant, ...over }, () => {})).toBe(false);
  });

  it('waits with all its documents where these have 32 KiB, and with none more', async () => {
    const { id, notice } = await noticeOf('app', 1, '');
    const rest = notice.offer.length + notice.request.length + notice.publisher.length;
    const put = (chars: number) =>
      new PostponedOffers(new Timers().clock).put(id, { ...notice, job: 'x'.repeat(chars) }, grant, () => {});
    expect([put(32 * 1024 - rest), put(32 * 1024 - rest + 1)]).toEqual([true, false]);
  });

  it('is not looked at any more once the worker ends', async () => {
    const timers = new Timers();
    const { id, notice } = await noticeOf('app', 1);
    const taken: number[] = [];
    new PostponedOffers(timers.clock).put(id, notice, grant, (_, ms) => taken.push(ms));
    Object.assign(timers.clock, { closing: true });
    for (const [act] of timers.running) act();
    expect(taken).toEqual([]);
  });

  it('is looked at now where many wait already', async () => {
    const postponed = new PostponedOffers(new Timers().clock);
    const { notice } = await noticeOf('app', 1);
    const put = (n: number) => postponed.put(`${n}`, notice, grant, () => {});
    for (let n = 0; n < 256; n++) expect(put(n)).toBe(true);
    expect(put(-1)).toBe(false);
  });
});
