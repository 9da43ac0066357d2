import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { meshLimits } from '../../src/mesh/limits.ts';
import { beyondShare, type Place, reserveOf, roomFor } from '../../src/mesh/places.ts';
import type { Rank } from '../../src/protocol/base/rank.ts';

const max = 64;
const now = 1_000_000;
const reserve = reserveOf(max);
const share = max * meshLimits.networkShare;

let count = 0;
type Open = [number, Place];

/** A connection from a network of its own, where none is given. */
function place(rank: Rank, given: Partial<Place> & { idle?: boolean } = {}): Open {
  count += 1;
  const { idle = false, ...more } = given;
  return [
    count,
    {
      peer: `peer ${count}`,
      network: `network ${count}`,
      inbound: true,
      since: now,
      rank,
      isIdle: () => idle,
      ...more,
    },
  ];
}
const places = (n: number, rank: Rank, given: Parameters<typeof place>[1] = {}): Open[] =>
  Array.from({ length: n }, () => place(rank, given));

/** The code and subject of what has to leave when the last one of these has come. */
function leaves(open: Open[], visits = true): string | undefined {
  const newest = open.at(-1)?.[0];
  const found = roomFor(open, { max, now, visits, newest });
  if (found === undefined) return undefined;
  const at = open.findIndex(([connection]) => connection === found.connection);
  return `${found.kind} ${at === open.length - 1 ? 'newest' : at}`;
}

const members = max - 2 * reserve;

describe('a full controller', () => {
  test('takes owners and guests when members have all places they may', () => {
    const full = places(members, 'member');
    expect(leaves(full)).toBeUndefined();
    expect(leaves([...full, place('owner')])).toBeUndefined();
    expect(leaves([...full, place('guest')])).toBeUndefined();
    expect(leaves([...full, ...places(reserve, 'guest')])).toBeUndefined();
    const since = now - 30_001;
    expect(
      leaves([...full, ...places(reserve, 'guest', { since }), ...places(reserve, 'owner')]),
    ).toBeUndefined();
  });

  test('tells the member beyond these that it is full', () => {
    expect(leaves([...places(members, 'member'), place('member')])).toBe('refuse newest');
  });

  test('refuses one of the key with far more connections than that of the newest', () => {
    const greedy = places(3, 'member', { peer: 'greedy' });
    const others = places(members - 3, 'member');
    expect(leaves([...others, ...greedy, place('member')])).toBe(`refuse ${members - 1}`);
    expect(leaves([...others, ...greedy, place('member', { peer: 'greedy' })])).toBe('refuse newest');
    const two = places(2, 'member', { peer: 'two' });
    expect(leaves([...places(members - 2, 'member'), ...two, place('member')])).toBe('refuse newest');
  });

  test('refuses the member that came last when guests became members', () => {
    expect(leaves([...places(members + 1, 'member'), place('guest')])).toBe(`refuse ${members}`);
  });

  test('gives the place of a guest that has been there for long to the next one, an idle one first', () => {
    const since = now - 30_001;
    const full = places(members, 'member');
    const busy = places(reserve, 'guest', { since });
    expect(leaves([...full, ...busy, place('guest')])).toBe(`close ${members}`);
    const last = place('guest', { since, idle: true });
    expect(leaves([...full, ...busy.slice(1), last, place('guest')])).toBe(`close ${members + reserve - 1}`);
    const just = places(reserve, 'guest', { since: now - 30_000 });
    expect(leaves([...full, ...just, place('guest')])).toBe('refuse newest');
    // Peers of other nodes are no visitors.
    expect(leaves([...full, ...busy, place('guest')], false)).toBe('refuse newest');
  });

  test('refuses a guest where the others have just come', () => {
    expect(leaves([...places(members, 'member'), ...places(reserve + 1, 'guest')])).toBe('refuse newest');
  });
});

describe('guests that fill all places', () => {
  test('lose the oldest of the network with the most, where it has more than its share', () => {
    const others = places(max - reserve - share, 'guest');
    const greedy = places(share + 1, 'guest', { network: 'greedy' });
    expect(leaves([...others, ...greedy])).toBe(`close ${others.length}`);
    const as = places(share + 1, 'guest', { network: 'as greedy' });
    expect(leaves([...others.slice(as.length), ...greedy, ...as])).toBe(`close ${others.length - as.length}`);
    const fair = places(share, 'guest', { network: 'fair' });
    expect(leaves([...others, ...fair, place('guest')])).toBe('refuse newest');
  });

  test('give a place that they were lent to the member or owner who comes, the network with the most its oldest', () => {
    const two = places(2, 'guest', { network: 'two' });
    const full = [...places(max - reserve - 2, 'guest'), ...two];
    for (const rank of ['member', 'owner'] as const) {
      const others = rank === 'owner' ? places(reserve, 'owner') : [];
      expect(leaves([...full, ...others, place(rank)])).toBe(`close ${full.length - 2}`);
    }
    expect(leaves([...full, place('guest')])).toBe('refuse newest');
    // Their own places they keep.
    const kept = places(reserve, 'guest');
    const owners = places(reserve, 'owner');
    expect(leaves([...places(members, 'member'), ...kept, ...owners, place('owner')])).toBe('refuse newest');
  });

  test('lose outbound connections only where nobody uses them', () => {
    const open = (idle: boolean) => [
      ...places(max - reserve, 'guest', { network: 'greedy', inbound: false, idle }),
      place('member'),
    ];
    expect(leaves(open(true))).toBe('close 0');
    expect(leaves(open(false))).toBeUndefined();
    expect(leaves([...open(false), ...places(reserve - 1, 'owner')])).toBeUndefined();
  });
});

test('a 32nd part of the places is kept for owners, and for guests; a network has an eighth', () => {
  expect([reserve, reserveOf(16), reserveOf(320), share]).toEqual([2, 2, 10, 8]);
});

test('connections that this node opened are not refused, where there are too many', () => {
  const own = places(max + 1, 'owner', { inbound: false });
  expect(leaves(own)).toBeUndefined();
  const came = place('owner');
  expect(leaves([came, ...own])).toBe('refuse 0');
  expect(leaves(places(members + 1, 'member', { inbound: false }))).toBeUndefined();
});

test('one key has its share of the connections, whatever it is', () => {
  const own = places(share, 'owner', { peer: 'one' });
  const last = place('owner', { peer: 'one' });
  const ours = place('owner', { peer: 'one', inbound: false });
  expect(beyondShare([...own, ours], ours[0], max)).toBeUndefined();
  expect(beyondShare(own, own.at(-1)?.[0] ?? 0, max)).toBeUndefined();
  expect(beyondShare([...own, last], last[0], max)).toMatchObject({ connection: last[0], kind: 'refuse' });
});

test('an owner and a guest always find a place, and no peer leaves without need', () => {
  const rank = fc.constantFrom<Rank>('owner', 'member', 'guest');
  const coming = fc.record({ rank, network: fc.constantFrom('a', 'b', 'c', 'd'), age: fc.nat(100_000) });
  fc.assert(
    fc.property(fc.array(coming, { maxLength: 200 }), (all) => {
      let open: Open[] = [];
      let owners = 0;
      for (const { rank: one, network, age } of all) {
        if (one === 'owner' && owners++ >= reserve) continue;
        const own = place(one, { network, since: now - age });
        const before = open.length;
        open = [...open, own];
        for (;;) {
          const found = roomFor(open, { max, now, visits: true, newest: own[0] });
          if (found === undefined) break;
          open = open.filter(([connection]) => connection !== found.connection);
        }
        const isThere = open.some(([connection]) => connection === own[0]);
        if (one === 'owner') expect(isThere).toBe(true);
        if (before < members) expect(isThere).toBe(true);
        expect(open.length).toBeLessThanOrEqual(max);
        expect(open.filter(([, { rank: of }]) => of === 'member').length).toBeLessThanOrEqual(members);
      }
    }),
  );
});
