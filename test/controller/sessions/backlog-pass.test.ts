import { describe, expect, it } from 'vitest';
import { BacklogPass, offersAfter } from '../../../src/controller/sessions/backlog-pass.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import type { OfferNotice } from '../../../src/protocol/wire/messages.ts';

const notice = (n: number): OfferNotice => ({ offer: `offer ${n}`, request: '', publisher: '', job: '' });
const backlogOf = (count: number) =>
  new Map(Array.from({ length: count }, (_, n): [string, OfferNotice] => [`id ${n}`, notice(n)]));
const names = (offers: OfferNotice[]) => offers.map(({ offer }) => Number(offer.slice('offer '.length)));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, n) => from + n);
const { feedOffersMax: max } = limits;

it('brings a latecomer every open offer, then begins again', () => {
  const pass = new BacklogPass(backlogOf(limits.openRequestsMax));
  for (let round = 0; round < 2; round++) {
    const seen: number[] = [];
    for (let more = true; more; ) {
      const next = pass.next();
      expect(next.offers.length).toBeLessThanOrEqual(max);
      seen.push(...names(next.offers));
      more = next.more;
    }
    expect(seen).toEqual(range(0, limits.openRequestsMax));
  }
});

it('goes on where it was when offers come and go', () => {
  const backlog = backlogOf(max + 20);
  const pass = new BacklogPass(backlog);
  expect(names(pass.next().offers)).toEqual(range(0, max));
  // The one that was sent last is closed, and a new one is open.
  backlog.delete(`id ${max - 1}`);
  backlog.set('id 900', notice(900));
  const { offers, more } = pass.next();
  expect([names(offers), more]).toEqual([[...range(max, max + 20), 900], false]);
});

it('brings a small backlog whole with each poll', () => {
  const pass = new BacklogPass(backlogOf(3));
  for (let n = 0; n < 3; n++) {
    const { offers, more } = pass.next();
    expect([names(offers), more]).toEqual([[0, 1, 2], false]);
  }
});

describe('open offers by HTTP', () => {
  const backlog = new Map(
    Array.from({ length: 250 }, (_, n) => [String(n), { offer: String(n) } as OfferNotice]),
  );
  const page = (id?: string) => offersAfter(backlog, id).map(({ offer }) => offer);

  it('are all reached, page by page', () => {
    const [first, second, third] = [page(), page('99'), page('199')];
    expect([first, second, third].map((found) => [found.length, found[0]])).toEqual([
      [limits.feedOffersMax, '0'],
      [limits.feedOffersMax, '100'],
      [50, '200'],
    ]);
    expect(page('249')).toEqual([]);
  });

  it('are none after one that is not open any more', () => {
    expect(page('closed')).toEqual([]);
  });
});
