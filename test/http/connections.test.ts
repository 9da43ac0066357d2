import { EventEmitter } from 'node:events';
import type { Server } from 'node:http';
import { expect, it } from 'vitest';
import { boundConnections, Waiting } from '../../src/http/connections.ts';
import { TrustedProxies } from '../../src/http/trusted-proxies.ts';

class Socket extends EventEmitter {
  destroyed = false;
  writableLength = 0;
  readonly remoteAddress: string;

  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }
}

/** A server whose clients connect from these addresses, and which of their connections were closed. */
function serverOf(bounds: { max: number; perAddress: number; free?: number }, proxies?: TrustedProxies) {
  const server = new EventEmitter() as EventEmitter & { maxConnections?: number };
  const { max, perAddress, free } = bounds;
  const all = { connectionsMax: max, connectionsPerAddressMax: perAddress, connectionsKeptFree: free };
  boundConnections(server as unknown as Server, all, proxies);
  const sockets: Socket[] = [];
  return {
    server,
    connect(...hosts: number[]): Socket[] {
      const made = hosts.map((n) => new Socket(`192.0.2.${n}`));
      for (const socket of made) server.emit('connection', socket);
      sockets.push(...made);
      return made;
    },
    /** The answer to a request on a connection; `end` ends it. */
    ask(socket: Socket | undefined): { end(): void } {
      const response = new EventEmitter();
      server.emit('request', { socket }, response);
      return { end: () => void response.emit('close') };
    },
    /** Numbers of those that are open, in the order in which they came. */
    open: () => sockets.flatMap(({ destroyed }, n) => (destroyed ? [] : [n])),
  };
}

it('of one address there are so many; the next one takes the place of the one that waits longest', () => {
  const { connect, open, server } = serverOf({ max: 100, perAddress: 3 });
  expect(server.maxConnections).toBe(100);
  const [first] = connect(1, 1, 1, 2);
  expect(open()).toEqual([0, 1, 2, 3]);
  connect(1);
  expect(open()).toEqual([1, 2, 3, 4]);
  expect(first?.destroyed).toBe(true);
  connect(2, 2);
  expect(open()).toEqual([1, 2, 3, 4, 5, 6]);
});

it('where something is answered on all of an address it gets no more', () => {
  const { connect, open, ask } = serverOf({ max: 100, perAddress: 2 });
  const [a, b] = connect(1, 1);
  const [first] = [ask(a), ask(b)];
  connect(1, 2);
  expect(open()).toEqual([0, 1, 3]);
  // It waits again once it is answered.
  first?.end();
  connect(1);
  expect(open()).toEqual([1, 3, 4]);
});

it('connections that are over count no more', () => {
  const { connect, open } = serverOf({ max: 4, perAddress: 2, free: 1 });
  const [a, b] = connect(1, 1);
  a?.destroy();
  connect(1);
  expect(open()).toEqual([1, 2]);
  b?.destroy();
  connect(1, 2);
  expect(open()).toEqual([2, 3, 4]);
});

it('of an address whose connections are over there are as many as before', () => {
  const { connect, open } = serverOf({ max: 100, perAddress: 2 });
  const [a] = connect(1, 1);
  a?.destroy();
  connect(1, 1);
  expect(open()).toEqual([2, 3]);
  const [only] = connect(2);
  only?.destroy();
  connect(2, 2);
  expect(open()).toEqual([2, 3, 5, 6]);
});

it('one that is over makes no room for another', () => {
  const waits = serverOf({ max: 3, perAddress: 3, free: 1 });
  const [first] = waits.connect(1, 2);
  first?.destroy();
  waits.connect(3, 4);
  expect(waits.open()).toEqual([2, 3]);
  const answers = serverOf({ max: 3, perAddress: 3, free: 1 });
  const [a, b] = answers.connect(1, 2);
  for (const socket of [a, b]) answers.ask(Object.assign(socket ?? {}, { writableLength: 1 }) as Socket);
  a?.destroy();
  const [c] = answers.connect(3);
  answers.ask(c);
  answers.connect(4);
  expect(answers.open()).toEqual([2, 3]);
});

it('connections that wait are given in the order in which they came, each once', () => {
  const made = new Waiting();
  const [a, b, c] = [1, 2, 3].map(() => new Socket('192.0.2.1')) as never as [never, never, never];
  for (const socket of [a, b, c]) made.enter(socket, 'x');
  expect([made.longest(), made.size, made.longestOf('x'), made.size]).toEqual([a, 2, b, 1]);
  expect([made.leave(a), made.leave(c), made.leave(c), made.size]).toEqual([undefined, 'x', undefined, 0]);
  expect([made.longest(), made.longestOf('x'), made.longestOf('y')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});

it('once all but some are taken, the address with the most that wait gives the one that waits longest', () => {
  const { connect, open } = serverOf({ max: 6, perAddress: 6, free: 1 });
  connect(1, 2, 2, 3, 3);
  expect(open()).toEqual([0, 1, 2, 3, 4]);
  // Of two addresses with as many the first.
  connect(4);
  expect(open()).toEqual([0, 2, 3, 4, 5]);
  connect(5);
  expect(open()).toEqual([0, 2, 4, 5, 6]);
});

it('where none waits, an answer that is not read gives its place', () => {
  const { connect, open, ask } = serverOf({ max: 3, perAddress: 3, free: 1 });
  const [a, b] = connect(1, 2);
  for (const socket of [a, b]) ask(socket);
  connect(3);
  expect(open()).toEqual([0, 1, 2]);
  // The third waits for its client, and goes first.
  const [d] = connect(4);
  expect(open()).toEqual([0, 1, 3]);
  ask(d);
  Object.assign(b ?? {}, { writableLength: 1 });
  connect(5);
  expect(open()).toEqual([0, 3, 4]);
});

it('a sixteenth of them is kept free where nothing else is said', () => {
  const { connect, open } = serverOf({ max: 20, perAddress: 20 });
  connect(...Array.from({ length: 18 }, (_, n) => n));
  expect(open()).toHaveLength(18);
  connect(30);
  expect(open()).toHaveLength(18);
});

it('connections of a proxy are of many clients', () => {
  const { connect, open } = serverOf({ max: 8, perAddress: 1, free: 1 }, new TrustedProxies(['192.0.2.1']));
  connect(1, 1, 1, 2, 2);
  expect(open()).toEqual([0, 1, 2, 4]);
});

it('connections of a proxy give their place to nobody, though what is answered on them is not read', () => {
  const { connect, open, ask } = serverOf(
    { max: 3, perAddress: 3, free: 1 },
    new TrustedProxies(['192.0.2.1']),
  );
  for (const socket of connect(1, 2)) ask(Object.assign(socket, { writableLength: 1 }));
  connect(3);
  expect(open()).toEqual([0, 2]);
});
