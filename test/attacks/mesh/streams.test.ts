import { randomBytes } from 'node:crypto';
import { connect as connectSocket, type Socket } from 'node:net';
import { multiaddr } from '@multiformats/multiaddr';
import { describe, expect, onTestFinished, test } from 'vitest';
import { keyFromSeed } from '../../../src/identity/keys.ts';
import type { Channel, Mesh, ProtocolOptions } from '../../../src/mesh/index.ts';
import { meshLimits } from '../../../src/mesh/limits.ts';
import { ProtocolServer } from '../../../src/mesh/protocol-server.ts';
import { newStats } from '../../../src/mesh/stats.ts';
import { Turns } from '../../../src/mesh/token-buckets.ts';
import type { Rank } from '../../../src/protocol/base/rank.ts';
import { bytes, codeOf, echo, node, sleep, soon, text, until } from '../../mesh/harness.ts';
import { addressesOf, connect, type Plain, plain } from './plain.ts';

const PROTOCOL = '/test/1';

describe('a peer opens streams without end', () => {
  async function flood(
    options: Partial<ProtocolOptions>,
  ): Promise<{ served: number; victim: Mesh; seconds: number }> {
    const [victim, attacker] = await Promise.all([node(), node()]);
    let served = 0;
    const began = performance.now();
    const handler = async (channel: Channel): Promise<void> => {
      served += 1;
      await echo(channel);
    };
    victim.handle(PROTOCOL, handler, { maxInboundStreams: 1000, maxMessageBytes: 100, ...options });
    const peer = { id: victim.id, addrs: victim.addresses() };
    for (let i = 0; i < 60; i++) {
      const channel = await attacker.open(peer, PROTOCOL, { signal: soon(), maxMessageBytes: 100 });
      await channel.send(bytes('x')).catch(() => {});
      await channel.receive({ timeoutMs: 2_000 }).catch(() => {});
      await channel.close();
    }
    return { served, victim, seconds: (performance.now() - began) / 1000 };
  }

  test('beyond its rate they are refused, and another peer is served', async () => {
    const { served, victim, seconds } = await flood({ perPeerPerMinute: 20 });
    expect(served).toBeLessThanOrEqual(22 + seconds / 3);
    expect(victim.stats().streamsRefusedByRate).toBe(60 - served);
    const honest = await node();
    const peer = { id: victim.id, addrs: victim.addresses() };
    const channel = await honest.open(peer, PROTOCOL, { signal: soon(), maxMessageBytes: 100 });
    await channel.send(bytes('hi'));
    expect(text(await channel.receive({ timeoutMs: 120_000 }))).toBe('hi');
  });

  test('control: with a rate nobody reaches, all are served', async () => {
    const { served } = await flood({ perPeerPerMinute: 1_000_000 });
    expect(served).toBe(60);
  });
});

describe('a peer keeps streams open over several connections', () => {
  async function hold(maxInboundStreams: number): Promise<{ open: () => number; victim: Mesh }> {
    const victim = await node();
    const channels = new Set<Channel>();
    victim.handle(
      PROTOCOL,
      async (channel) => {
        channels.add(channel);
        await channel.receive().catch(() => {});
      },
      { maxInboundStreams, maxMessageBytes: 100 },
    );
    const attacker = await plain();
    for (let i = 0; i < 3; i++) {
      const connection = await attacker.dial(addressesOf(victim), { force: true });
      for (let j = 0; j < 4; j++) await connection.newStream(PROTOCOL).catch(() => {});
    }
    const refused = () => victim.stats().streamsRefusedByCount;
    await until('each is taken or refused', () => channels.size + refused() === 12);
    return { open: () => [...channels].filter((channel) => !channel.closed).length, victim };
  }

  test('its streams are counted over all of them', async () => {
    const { open, victim } = await hold(4);
    expect(open()).toBe(4);
    expect(victim.stats().streamsRefusedByCount).toBeGreaterThan(0);
  });

  test('control: a limit per connection would let twelve through', async () => {
    const { open } = await hold(12);
    expect(open()).toBe(12);
  });
});

describe('a peer keeps the streams open that it is refused', () => {
  /** Streams of the attacker that are open at the victim when it has opened forty, and later. */
  async function hold(): Promise<{ atOnce: number; open: () => number }> {
    const victim = await node();
    victim.handle(PROTOCOL, echo, { maxInboundStreams: 2, maxMessageBytes: 100 });
    const attacker = await plain();
    for (let i = 0; i < 4; i++) {
      const connection = await attacker.dial(addressesOf(victim), { force: true });
      for (let j = 0; j < 10; j++) await connection.newStream(PROTOCOL).catch(() => {});
    }
    await until('each is taken or refused', () => victim.stats().streamsRefusedByCount === 38);
    const open = () =>
      victim.libp2p
        .getConnections()
        .flatMap(({ streams }) => streams)
        .filter(({ protocol, status }) => protocol === PROTOCOL && status === 'open').length;
    return { atOnce: open(), open };
  }

  function withLimits(changed: { refusedPerPeerMax: number; refusedLingerMs: number }): void {
    const before = { ...meshLimits };
    Object.assign(meshLimits, changed);
    onTestFinished(() => void Object.assign(meshLimits, before));
  }

  test('they end soon, and few are open at once', async () => {
    withLimits({ refusedPerPeerMax: 8, refusedLingerMs: 500 });
    const { atOnce, open } = await hold();
    expect(atOnce).toBeLessThanOrEqual(10);
    await until('those that are refused end', () => open() === 2);
  });

  test('control: without these bounds all of them stay', async () => {
    withLimits({ refusedPerPeerMax: 1_000, refusedLingerMs: 60_000 });
    const { atOnce, open } = await hold();
    await sleep(600);
    expect([atOnce, open()]).toEqual([40, 40]);
  });
});

describe('a peer announces a message of four gigabytes', () => {
  async function announce(maxMessageBytes: number, timeoutMs = 120_000): Promise<string | undefined> {
    const victim = await node();
    let code: string | undefined = 'still waiting';
    victim.handle(
      PROTOCOL,
      async (channel) => {
        code = await codeOf(channel.receive({ timeoutMs }));
      },
      { maxInboundStreams: 1, maxMessageBytes },
    );
    const attacker = await plain();
    const connection = await connect(attacker, victim);
    const stream = await connection.newStream(PROTOCOL);
    stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3));
    await until('decided', () => code !== 'still waiting');
    return code;
  }

  test('the channel is broken off at once', async () => {
    expect(await announce(1024 * 1024)).toBe('MESH_MESSAGE_TOO_LARGE');
  });

  test('control: without a limit it is waited for', async () => {
    expect(await announce(0xffffffff, 500)).toBe('MESH_TIMEOUT');
  });
});

describe('an attacker opens connections and says nothing', () => {
  const SOCKETS = 120;

  async function attack(victim: Mesh | Plain): Promise<string | undefined> {
    const port = Number(addressesOf(victim)[0]?.toString().split('/')[4]);
    const sockets: Socket[] = [];
    for (let i = 0; i < SOCKETS; i++) {
      const socket = connectSocket({ port, host: '127.0.0.1', localAddress: '127.0.0.66' });
      socket.on('error', () => {});
      sockets.push(socket);
      await new Promise((resolve) => socket.once('connect', resolve).once('error', resolve));
    }
    const honest = await node();
    const addrs = addressesOf(victim).map((address) => address.toString());
    const code = await codeOf(honest.connect(addrs));
    for (const socket of sockets) socket.destroy();
    return code;
  }

  test('an honest peer still gets in', async () => {
    expect(await attack(await node())).toBeUndefined();
  });

  test('control: with the library’s few slots for pending connections it does not', async () => {
    const connectionManager = { maxIncomingPendingConnections: 10, inboundConnectionThreshold: 1000 };
    expect(await attack(await plain({}, { connectionManager }))).toBe('MESH_BUSY');
  });
});

describe('strangers with a key each', () => {
  /** A node that knows one member, and strangers behind one address. */
  async function crowd(options: Partial<ProtocolOptions>, rank: Rank = 'guest', keys = 6) {
    const key = randomBytes(32);
    const id = keyFromSeed(key).id;
    const victim = await node({ rankOf: (peer) => (peer === id ? 'member' : rank) });
    let served = 0;
    const handler = async (channel: Channel): Promise<void> => {
      const message = await channel.receive();
      if (message === undefined) return;
      served += 1;
      await channel.send(message);
      await channel.receive().catch(() => {});
    };
    victim.handle(PROTOCOL, handler, { maxInboundStreams: 4, maxMessageBytes: 100, ...options });
    const peer = { id: victim.id, addrs: victim.addresses() };
    /** Asks something on a stream that stays open; gives what is answered. */
    const ask = async (from: Mesh) => {
      const channel = await from.open(peer, PROTOCOL, { signal: soon(), maxMessageBytes: 1000 });
      await channel.send(bytes('hi'));
      return channel.receive().then(text, () => 'nothing');
    };
    const strangers = await Promise.all(Array.from({ length: keys }, () => node({ listen: [] })));
    const member = await node({ key, listen: [] });
    return { victim, ask, strangers, member, served: () => served };
  }

  test('keep no more streams open together than those of one network may; a member is served', async () => {
    const { victim, ask, strangers, member, served } = await crowd({});
    const answers = await Promise.all([...strangers, ...strangers, ...strangers, ...strangers].map(ask));
    expect(answers.filter((answer) => answer === 'hi')).toHaveLength(meshLimits.guestsPerNetwork);
    expect(victim.stats().streamsRefusedByCount).toBe(24 - meshLimits.guestsPerNetwork);
    expect(await ask(member)).toBe('hi');
    expect(served()).toBe(meshLimits.guestsPerNetwork + 1);
  });

  test('control: keep all open where each key counts for itself', async () => {
    const { ask, strangers } = await crowd({}, 'member');
    const answers = await Promise.all([...strangers, ...strangers, ...strangers, ...strangers].map(ask));
    expect(answers.filter((answer) => answer === 'hi')).toHaveLength(24);
  });

  test('pay for dear questions together, before they are read, and a member does not wait for them', async () => {
    const { victim, ask, strangers, member, served } = await crowd({ turns: 1_000 }, 'guest', 2);
    const asked = strangers.map(ask);
    // Two thousand turns each, of which five hundred are there.
    await until('both are charged', () => victim.charge('127.0.0.1', 0) > 25_000);
    expect(served()).toBe(0);
    expect(victim.charge(member.id, 0)).toBe(0);
    for (const stranger of strangers) await stranger.close();
    await Promise.all(asked);
  });

  test('control: have an account each where each key counts for itself', async () => {
    const { victim, ask, strangers } = await crowd({ turns: 1_000 }, 'member', 2);
    const asked = strangers.map(ask);
    for (const { id } of strangers) await until('each is charged', () => victim.charge(id, 0) > 0);
    expect(victim.charge('127.0.0.1', 0)).toBe(0);
    for (const stranger of strangers) await stranger.close();
    await Promise.all(asked);
  });

  test('that owe for much are refused further streams, without being charged for those', async () => {
    const { victim, ask, strangers } = await crowd({}, 'guest', 1);
    victim.charge('127.0.0.1', 2 * meshLimits.owedTurnsMax + meshLimits.turnsBurst);
    const before = victim.charge('127.0.0.1', 0);
    for (const stranger of strangers) expect(await ask(stranger)).toContain('MESH_PEER_RATE');
    expect(victim.charge('127.0.0.1', 0)).toBeLessThanOrEqual(before);
  });
});

describe('streams that are reset before they are handed over', () => {
  /** How many of the streams after so many that were reset are served, all of guests of one network. */
  function serve(resets: number, streamsMax: number): number {
    let serveStream: (stream: never, connection: never) => void = () => {};
    const libp2p = {
      async handle(_: string, given: typeof serveStream) {
        serveStream = given;
      },
    };
    const places = { refusalOf: () => undefined, rankOf: () => 'guest' };
    const parts = { stats: newStats(), turns: new Turns(), places };
    const server = new ProtocolServer(libp2p as never, parts as never);
    let served = 0;
    const handler = async () => {
      served += 1;
    };
    server.handle(PROTOCOL, handler, { maxInboundStreams: streamsMax, maxMessageBytes: 100 });
    const stream = (status: string) =>
      Object.assign(new EventTarget(), {
        status,
        writeStatus: 'closed',
        remoteWriteStatus: 'closed',
        abort() {},
      });
    const remoteAddr = multiaddr('/ip4/192.0.2.1/tcp/1');
    const connection = { remotePeer: { toString: () => 'a guest' }, remoteAddr };
    for (let n = 0; n < resets; n++) serveStream(stream('reset') as never, connection as never);
    served = 0;
    for (let n = 0; n < 4; n++) serveStream(stream('open') as never, connection as never);
    return served;
  }

  test('take no place for ever', () => {
    expect(serve(1_000, 4)).toBe(4);
  });

  test('control: streams that stay open do', () => {
    expect(serve(0, 2)).toBe(2);
  });
});
