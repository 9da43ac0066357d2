import { describe, expect, test, vi } from 'vitest';
import { InboundGate } from '../../../src/mesh/inbound-gate.ts';
import { meshLimits } from '../../../src/mesh/limits.ts';
import { type Place, reserveOf, roomFor } from '../../../src/mesh/places.ts';
import { GuestStreams } from '../../../src/mesh/protocol-server.ts';
import type { Rank } from '../../../src/protocol/base/rank.ts';

const { pendingPerNetworkMax, waitingPerNetworkMax, waitingInboundMax, pendingInboundMax } = meshLimits;

/** Strangers open connections and send nothing: what becomes of one of the owner that comes then. */
function comesAfter(strangers: { networks: number; each: number; ms?: number }, owner: string): string {
  vi.useFakeTimers();
  let now = 0;
  const gate = new InboundGate(() => now);
  const enter = (network: string): string => {
    let became = 'waits';
    gate.enter({
      network,
      begin() {
        became = 'begins';
      },
      refuse() {
        became = 'refused';
      },
    });
    return became;
  };
  try {
    for (let n = 0; n < strangers.networks; n++)
      for (let k = 0; k < strangers.each; k++) enter(owner === 'a stranger' ? owner : `2001:db8:0:${n}::/64`);
    now += strangers.ms ?? 0;
    vi.advanceTimersByTime(strangers.ms ?? 0);
    return enter(owner);
  } finally {
    gate.close();
    vi.useRealTimers();
  }
}

describe('strangers who open connections and begin no handshake', () => {
  const each = pendingPerNetworkMax + waitingPerNetworkMax;
  const few = { networks: Math.ceil(waitingInboundMax / waitingPerNetworkMax) + 1, each };
  const many = { networks: pendingInboundMax, each: 1, ms: meshLimits.handshakeMs };

  test('keep nobody out from a few networks, nor from as many as there are handshakes', () => {
    expect(comesAfter(few, 'the owner')).toBe('begins');
    expect(comesAfter(many, 'the owner')).toBe('begins');
  });

  test('control: keep others of their own network out', () => {
    expect(comesAfter(few, 'a stranger')).toBe('refused');
  });
});

describe('strangers with a few networks who keep all the streams of a protocol that guests may', () => {
  const { guestsPerNetwork: perNetwork, guestsInAll: inAll } = meshLimits;
  const few = inAll / perNetwork;

  /** Strangers open streams, and again those that ended: whether one of somebody else finds room, and stays. */
  function attack(networkOf: (n: number) => string, network: string): boolean {
    const streams = new GuestStreams<string>({ perNetwork, inAll });
    const open = new Set<string>();
    const opens = (of: string, stream: string): void => {
      const { isFull, ends } = streams.roomFor(of);
      if (isFull) return;
      if (ends !== undefined) {
        streams.delete(ends);
        open.delete(ends);
      }
      streams.add(of, stream);
      open.add(stream);
    };
    for (let n = 0; n < 2 * inAll; n++) opens(networkOf(n % few), `before ${n}`);
    opens(network, 'enrols');
    for (let n = 0; n < 2 * inAll; n++) opens(networkOf(n % few), `after ${n}`);
    return open.has('enrols') && open.size <= inAll;
  }

  test('leave room for somebody who joins', () => {
    expect(attack((n) => `network ${n}`, 'home')).toBe(true);
  });

  test('control: leave none where each stream counts alike, as those of one network do', () => {
    expect(attack(() => 'home', 'home')).toBe(false);
  });
});

describe('strangers with a few networks who take all the places that guests may', () => {
  const max = meshLimits.connectionsMax;
  const networks = Math.ceil(max / (max * meshLimits.networkShare));

  /** Strangers who come again whenever they are closed, then members and the owner: who has a place in the end. */
  function attack(rankOf: (rank: Rank) => Rank): { members: number; owners: number } {
    let open: [number, Place & { kind: Rank }][] = [];
    let count = 0;
    const come = (kind: Rank, network: string): void => {
      const id = count++;
      const place = { kind, rank: rankOf(kind), network, peer: `${id}`, inbound: true, since: 0 };
      open.push([id, { ...place, isIdle: () => false }]);
      for (;;) {
        const found = roomFor(open, { max, now: meshLimits.guestMs, visits: true, newest: id });
        if (found === undefined) return;
        open = open.filter(([one]) => one !== found.connection);
      }
    };
    const flood = () => {
      for (let n = 0; n < max; n++) come('guest', `network ${n % networks}`);
    };
    flood();
    for (let n = 0; n < max / 2; n++) come('member', `member ${n}`);
    flood();
    for (let n = 0; n < reserveOf(max); n++) come('owner', `owner ${n}`);
    const has = (kind: Rank) => open.filter(([, place]) => place.kind === kind).length;
    return { members: has('member'), owners: has('owner') };
  }

  test('take none of a member or owner', () => {
    expect(attack((rank) => rank)).toEqual({ members: max / 2, owners: reserveOf(max) });
  });

  test('control: where all are guests alike, keep most of them out', () => {
    const { members, owners } = attack(() => 'guest');
    expect(members + owners).toBeLessThan(max / 4);
  });
});
