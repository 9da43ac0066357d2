import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Arrival, InboundGate } from '../../src/mesh/inbound-gate.ts';
import { meshLimits } from '../../src/mesh/limits.ts';
import { withLimits } from '../support/with-limits.ts';

const bounds = {
  inboundPerSecond: 4,
  pendingInboundMax: 6,
  pendingPerNetworkMax: 4,
  waitingPerNetworkMax: 5,
  waitingInboundMax: 7,
  handshakeMs: 1_000,
};

/** A gate whose time is set by hand, and what became of each connection. `null`: with the bounds of every node. */
function gate(given: Partial<typeof bounds> | null = {}) {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let now = 0;
  if (given !== null) withLimits(meshLimits, { ...bounds, ...given });
  const made = new InboundGate(() => now);
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
        refuse: () => {
          refused.push(name);
          // As a connection does when it is closed.
          made.leave(arrival);
        },
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

  test('are refused beyond its line, and in the longest line where all are too long together', () => {
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

  test('end the oldest of all once it has had its time', () => {
    const { come, wait, begun, refused } = gate({ pendingInboundMax: 2 });
    come('a');
    wait(600);
    come('b');
    wait(399);
    come('c');
    expect(refused).toEqual(['c']);
    wait(1);
    come('d');
    expect(refused).toEqual(['c', 'a']);
    expect(begun.at(-1)).toBe('d');
    come('e');
    expect(refused.at(-1)).toBe('e');
  });
});

test('a connection that is closed while it waits makes room for another, wherever it stands in the line', () => {
  const { come, end, made, begun, refused } = gate({ pendingPerNetworkMax: 1 });
  for (let n = 1; n <= 7; n++) come(`${n}`, 'office');
  expect([begun, refused]).toEqual([['1'], ['7']]);
  // The first of the line, and one that is neither in it nor in its handshake.
  for (const name of ['2', '7']) end(name);
  come('8', 'office');
  come('9', 'office');
  expect(refused).toEqual(['7', '9']);
  end('1');
  expect(begun).toEqual(['1', '3']);
  expect(made.refused).toBe(2);
});

test('the line of all has room again when some of it have begun or were closed', () => {
  const { come, end, wait, begun, refused } = gate({ inboundPerSecond: 1, waitingInboundMax: 2 });
  for (const name of ['a1', 'a2', 'b1', 'b2', 'c1', 'c2']) come(name, name.slice(0, 1));
  expect([begun, refused]).toEqual([['a1', 'b1', 'c1'], ['c2']]);
  end('a2');
  wait(1_000);
  for (const name of ['a3', 'a4', 'a5']) come(name, 'a');
  expect([begun.slice(3), refused]).toEqual([['b2', 'a3'], ['c2']]);
});

test('a handshake that has ended takes no room, even where its end is told twice', () => {
  const { come, end, refused } = gate({ pendingInboundMax: 2 });
  for (const name of ['a', 'b']) come(name);
  for (const name of ['a', 'a']) end(name);
  for (const name of ['c', 'd']) come(name);
  expect(refused).toEqual(['d']);
});

test('a handshake gives its place to another network a second after it began, the oldest first', () => {
  const { come, wait, begun, refused } = gate({ pendingInboundMax: 2 });
  come('a');
  wait(400);
  come('b');
  wait(599);
  come('c');
  expect(refused).toEqual(['c']);
  wait(1);
  come('d');
  expect([begun, refused]).toEqual([
    ['a', 'b', 'd'],
    ['c', 'a'],
  ]);
});

test('a node that closes refuses those that wait, and begins none of them', () => {
  const { come, wait, made, begun, refused } = gate();
  for (let n = 1; n <= 7; n++) come(`${n}`, 'office');
  made.close();
  expect(refused).toEqual(['5', '6', '7']);
  expect(vi.getTimerCount()).toBe(0);
  wait(10_000);
  expect(begun).toEqual(['1', '2', '3', '4']);
});

test('every node has 512 handshakes at once, 64 and 40 a second of a network, and lines of 256 and 1,024', () => {
  const { come, begun, refused } = gate(null);
  for (let n = 0; n < 600; n++) come(`${n}`);
  expect([begun.length, refused.length]).toEqual([512, 88]);
  const lines = gate(null);
  for (let network = 0; network < 8; network++)
    for (let n = 0; n < 200; n++) lines.come(`${network} ${n}`, `${network}`);
  expect(lines.begun).toHaveLength(8 * 40);
  expect(lines.refused).toHaveLength(8 * 160 - 1_024);
  const one = gate(null);
  for (let n = 0; n < 300; n++) one.come(`${n}`, 'office');
  one.wait(10_000);
  expect([one.begun.length, one.refused.length]).toEqual([64, 300 - 40 - 256]);
});
