import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Arrival, type GateBounds, InboundGate } from '../../src/mesh/inbound-gate.ts';

const bounds = {
  inboundPerSecond: 4,
  pendingInboundMax: 6,
  pendingPerNetworkMax: 4,
  waitingPerNetworkMax: 5,
  waitingInboundMax: 7,
};

/** A gate whose time is set by hand, and what became of each connection. */
function gate(given: Partial<GateBounds> = {}) {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let now = 0;
  const made = new InboundGate({ ...bounds, ...given }, () => now);
  const begun: string[] = [];
  const refused: string[] = [];
  const arrivals = new Map<string, Arrival>();
  return {
    begun,
    refused,
    made,
    come(name: string, network = name) {
      const arrival: Arrival = {
        network,
        begin: () => void begun.push(name),
        refuse: () => void refused.push(name),
      };
      arrivals.set(name, arrival);
      made.enter(arrival);
    },
    end(name: string) {
      const arrival = arrivals.get(name);
      if (arrival !== undefined) made.leave(arrival);
    },
    wait(ms: number) {
      now += ms;
      vi.advanceTimersByTime(ms);
    },
  };
}

describe('connections of one network that come at once', () => {
  test('begin their handshakes at its rate, the others in their order, and none is refused', () => {
    const { come, end, wait, begun, refused } = gate();
    for (let n = 1; n <= 9; n++) come(`${n}`, 'office');
    expect(begun).toEqual(['1', '2', '3', '4']);
    for (const name of ['1', '2', '3', '4']) end(name);
    wait(250);
    expect(begun).toEqual(['1', '2', '3', '4', '5']);
    wait(1000);
    expect(begun).toEqual(['1', '2', '3', '4', '5', '6', '7', '8']);
    end('5');
    wait(250);
    expect(begun.at(-1)).toBe('9');
    expect(refused).toEqual([]);
  });

  test('wait for the end of a handshake where as many run as one network may have', () => {
    const { come, end, wait, begun } = gate();
    for (let n = 1; n <= 5; n++) come(`${n}`, 'office');
    wait(10_000);
    expect(begun).not.toContain('5');
    end('2');
    expect(begun).toContain('5');
  });

  test('are refused beyond its line, and those beyond the line of all', () => {
    const { come, made, refused } = gate({ pendingInboundMax: 100 });
    for (let n = 1; n <= 10; n++) come(`a${n}`, 'a');
    expect(refused).toEqual(['a10']);
    for (let n = 1; n <= 6; n++) come(`b${n}`, 'b');
    expect(refused).toEqual(['a10']);
    // The newest of the longest line leaves, and of lines that are as long the one that came.
    for (let n = 7; n <= 9; n++) come(`b${n}`, 'b');
    expect(refused).toEqual(['a10', 'a9', 'b8', 'b9']);
    expect(made.refused).toBe(4);
  });

  test('keep no other network out, though they fill the line of all', () => {
    const { come, begun, refused } = gate({ pendingInboundMax: 100 });
    for (let n = 1; n <= 9; n++) come(`a${n}`, 'a');
    for (let n = 1; n <= 6; n++) come(`b${n}`, 'b');
    for (let n = 1; n <= 5; n++) come(`c${n}`, 'c');
    expect(begun).toEqual(expect.arrayContaining(['c1', 'c2', 'c3', 'c4']));
    expect(refused).toEqual(['a9']);
  });

  test('that are closed while they wait take no turn', () => {
    const { come, end, wait, begun } = gate();
    for (let n = 1; n <= 6; n++) come(`${n}`, 'office');
    end('5');
    for (const name of ['1', '2', '3', '4']) end(name);
    wait(300);
    expect(begun).toEqual(['1', '2', '3', '4', '6']);
  });
});

describe('more handshakes than may run', () => {
  test('end the oldest of the network with the most of them', () => {
    const { come, begun, refused } = gate();
    for (let n = 1; n <= 4; n++) come(`a${n}`, 'a');
    come('b');
    come('c');
    expect(refused).toEqual([]);
    come('d');
    expect(refused).toEqual(['a1']);
    expect(begun.at(-1)).toBe('d');
  });

  test('refuse the newest where no network has more than its own', () => {
    const { come, refused } = gate({ pendingInboundMax: 2 });
    come('a');
    come('b');
    come('c');
    expect(refused).toEqual(['c']);
  });
});
