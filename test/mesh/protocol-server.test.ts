import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import type { Connection, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ConnectionPruner } from '../../src/mesh/connection-pruner.ts';
import type { Libp2pNode } from '../../src/mesh/libp2p-node.ts';
import { ProtocolServer } from '../../src/mesh/protocol-server.ts';
import { newStats } from '../../src/mesh/stats.ts';
import { Turns } from '../../src/mesh/token-buckets.ts';
import type { Channel, ProtocolOptions } from '../../src/mesh/types.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import type { Rank } from '../../src/protocol/base/rank.ts';
import { sessionLimits } from '../../src/protocol/sessions/limits.ts';
import { FakeStream } from './fake-stream.ts';
import { bytes, text } from './harness.ts';

type Serve = (stream: Stream, connection: Connection) => void;
interface Registered {
  maxInboundStreams: number;
  runOnLimitedConnection: boolean;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
});

/** A server of one protocol, at which all peers have one rank. A channel stays open unless the test says otherwise. */
function serving(
  rank: Rank,
  options: Partial<ProtocolOptions> = {},
  handler: (channel: Channel) => Promise<void> = () => new Promise(() => {}),
) {
  let serve: Serve = () => {};
  let registered: Registered | undefined;
  const node = {
    handle: async (_protocol: string, given: Serve, how: Registered) => {
      serve = given;
      registered = how;
    },
  } as unknown as Libp2pNode;
  const stats = newStats();
  const turns = new Turns();
  const full = new Set<string>();
  const places = {
    rankOf: () => rank,
    refusalOf: ({ remotePeer }: Connection) =>
      full.has(String(remotePeer)) ? new QuorateError('MESH_FULL', 'all are taken') : undefined,
  } as unknown as ConnectionPruner;
  let served = 0;
  const counted = (channel: Channel): Promise<void> => {
    served += 1;
    return handler(channel);
  };
  new ProtocolServer(node, { stats, places, turns }).handle('/test/1', counted, {
    maxInboundStreams: 4,
    maxMessageBytes: 1000,
    ...options,
  });
  const open = (peer = 'peer', host = '192.0.2.1', status = 'open'): FakeStream => {
    const stream = Object.assign(new FakeStream(), { status });
    const connection = { remotePeer: peer, remoteAddr: multiaddr(`/ip4/${host}/tcp/1`) };
    serve(stream as unknown as Stream, connection as unknown as Connection);
    return stream;
  };
  const many = (
    count: number,
    peer: (n: number) => string,
    host: (n: number) => string = () => '192.0.2.1',
  ) => Array.from({ length: count }, (_, n) => open(peer(n), host(n)));
  const left = (account: string) => turns.left(account, performance.now());
  return { stats, turns, full, open, many, left, served: () => served, registered: () => registered };
}

const settled = () => vi.advanceTimersByTimeAsync(0);
/** The code that a stream was answered with. */
async function answer(stream: FakeStream | undefined): Promise<string> {
  await settled();
  const [frame] = stream?.sent ?? [];
  return frame === undefined ? 'none' : JSON.parse(text(frame.subarray(4))).code;
}

describe('streams of a peer', () => {
  it('are served up to their number, over all its connections, and more when one is closed', async () => {
    const { open, served, stats } = serving('member');
    const streams = ['192.0.2.1', '192.0.2.2', '192.0.2.1', '192.0.2.2'].map((host) => open('peer', host));
    expect(await answer(open())).toBe('MESH_PEER_QUOTA');
    expect([served(), stats.streamsRefusedByCount]).toEqual([4, 1]);
    open('other');
    streams[0]?.closes();
    open();
    expect(served()).toBe(6);
  });

  it('are served at a rate of 240 a minute, where the protocol has none', async () => {
    const { open, served, stats } = serving('member');
    for (let n = 0; n < 300; n++) open().closes();
    expect([served(), stats.streamsRefusedByRate]).toEqual([240, 60]);
    expect(await answer(open())).toBe('MESH_PEER_RATE');
    vi.advanceTimersByTime(250);
    open();
    expect(served()).toBe(241);
  });

  it('that their peer has reset before they come here are not served', () => {
    const { open, served, left } = serving('member', { maxInboundStreams: 1 });
    open('peer', '192.0.2.1', 'reset');
    expect([served(), left('peer')]).toEqual([0, 500]);
    open();
    expect(served()).toBe(1);
  });

  it('on a connection that has no place are told so', async () => {
    const { open, served, full, left } = serving('member');
    full.add('peer');
    expect(await answer(open())).toBe('MESH_FULL');
    open('other');
    expect(served()).toBe(1);
    expect(left('peer')).toBe(500);
  });

  it('are counted by this node, which lets libp2p refuse those only that it would not answer', () => {
    expect(serving('member').registered()).toMatchObject({
      maxInboundStreams: 4 + 32 + 1,
      runOnLimitedConnection: true,
    });
  });
});

describe('streams of guests, whose keys cost nothing', () => {
  it('are sixteen of one network', async () => {
    const { many, open, served } = serving('guest');
    const streams = many(16, (n) => `key ${n}`);
    expect(await answer(open('another key'))).toBe('MESH_PEER_QUOTA');
    open('another key', '192.0.2.2');
    expect(served()).toBe(17);
    streams[0]?.closes();
    open('another key');
    expect(served()).toBe(18);
  });

  it('are 256 in all, of which the network with the most gives its oldest to one with fewer', async () => {
    const apart = serving('guest');
    const streams = apart.many(
      300,
      (n) => `key ${n}`,
      (n) => `10.0.${n >> 8}.${n & 255}`,
    );
    expect([apart.served(), apart.stats.streamsRefusedByCount]).toEqual([256, 44]);
    streams[0]?.closes();
    apart.open('another key', '192.0.2.99');
    expect(apart.served()).toBe(257);
    const together = serving('guest');
    const [first] = together.many(
      256,
      (n) => `key ${n}`,
      (n) => `192.0.2.${n >> 4}`,
    );
    expect(first?.calls).toEqual([]);
    together.open('another key', '192.0.2.99');
    expect(together.served()).toBe(257);
    expect(first?.calls).toEqual(['abort: guests of other networks need the room']);
  });

  it('are as many as a protocol says', () => {
    const { many, served } = serving('guest', { guestStreams: 3, maxInboundStreams: 20 });
    many(5, (n) => `key ${n}`);
    expect(served()).toBe(3);
    const wide = serving('guest', { maxInboundStreams: 20 });
    wide.many(50, (n) => `key ${n}`);
    expect(wide.served()).toBe(40);
  });

  it('are no streams of members', () => {
    const { many, served } = serving('member');
    many(300, (n) => `key ${n}`);
    expect(served()).toBe(300);
  });
});

describe('an account', () => {
  it.each<[Rank, string, number]>([
    ['owner', 'peer', 0],
    ['member', 'peer', 0.25],
    ['guest', '192.0.2.1', 0.25 * sessionLimits.strangerFactor],
  ])('of a %s pays for a stream', (rank, account, turns) => {
    const { open, left } = serving(rank);
    open();
    expect(left(account)).toBe(500 - turns);
  });

  it('that owes more than 500 turns is refused, and does not pay for that; an owner is not', async () => {
    const { open, turns, left, stats, served } = serving('member');
    turns.charge('peer', 1000, performance.now());
    open();
    expect([served(), left('peer')]).toEqual([1, -500.25]);
    expect(await answer(open())).toBe('MESH_PEER_RATE');
    expect([served(), left('peer'), stats.streamsRefusedByRate]).toEqual([1, -500.25, 1]);
    const own = serving('owner');
    own.turns.charge('peer', 2_000, performance.now());
    own.open();
    expect(own.served()).toBe(1);
  });

  it('pays for each message by its length before it is read, and for what is sent', async () => {
    const { open, left } = serving('member', { turns: 2, sentBytesPerTurn: 10 }, async (channel) => {
      const message = await channel.receive();
      if (message !== undefined) await channel.send(message);
      await channel.charge(7);
    });
    const stream = open();
    stream.arrive(Uint8Array.of(0, 0, 0, 100));
    await settled();
    const paid = 2 + 100 / sessionLimits.receivedBytesPerTurn;
    expect(left('peer')).toBeCloseTo(500 - 0.25 - paid);
    stream.arrive(new Uint8Array(100));
    await settled();
    expect(left('peer')).toBeCloseTo(500 - 0.25 - paid - 10 - 7);
    expect(stream.calls).toEqual(['close']);
  });

  it('waits for the turns that it owes, or until the stream is closed', async () => {
    const sleeps: { ms: number | undefined; end(): void }[] = [];
    vi.spyOn(timers, 'setTimeout').mockImplementation((ms, value, options) => {
      const { promise, resolve, reject } = Promise.withResolvers<never>();
      sleeps.push({ ms, end: () => resolve(value as never) });
      options?.signal?.addEventListener('abort', () => reject(new Error('aborted')));
      return promise;
    });
    syncBuiltinESMExports();
    onTestFinished(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
    });
    const received: string[] = [];
    const { open, turns } = serving('member', { turns: 2 }, async (channel) => {
      received.push(text(await channel.receive()));
    });
    const message = [Uint8Array.of(0, 0, 0, 4), bytes('late')];
    open().arrive(...message);
    await settled();
    expect([sleeps.length, received.length]).toEqual([0, 1]);
    turns.charge('peer', 600, performance.now());
    open().arrive(...message);
    await settled();
    expect([sleeps.map(({ ms }) => ms), received.length]).toEqual([[1_046], 1]);
    sleeps[0]?.end();
    await settled();
    expect(received).toHaveLength(2);
    const closing = open();
    closing.arrive(...message);
    await settled();
    expect([sleeps.length, received.length]).toEqual([2, 2]);
    closing.status = 'closed';
    closing.closes();
    await settled();
    expect(received).toHaveLength(3);
  });

  it('pays for no message where who serves the protocol charges for it', async () => {
    const { open, left } = serving('member', {}, async (channel) => {
      await channel.receive();
      await channel.charge(7);
    });
    open().arrive(Uint8Array.of(0, 0, 0, 1, 0));
    await settled();
    expect(left('peer')).toBe(500 - 0.25);
  });
});

describe('refused streams', () => {
  const isAnswered = (stream: FakeStream) => stream.sent.length > 0;
  const refusing = () => serving('member', { maxInboundStreams: 0 });

  it('of a peer are answered while fewer than 33 are open; the others are reset', async () => {
    const { many, open, stats } = refusing();
    const streams = many(40, () => 'peer');
    await settled();
    expect(streams.filter(isAnswered)).toHaveLength(32);
    expect(stats.refusalsUnanswered).toBe(8);
    expect(streams.at(-1)?.calls).toEqual([expect.stringContaining('abort: one peer may have 0 channels')]);
    streams[0]?.closes();
    expect(await answer(open())).toBe('MESH_PEER_QUOTA');
  });

  it('of all are answered while fewer than 257 are open', async () => {
    const { many } = refusing();
    const streams = many(300, (n) => `peer ${n >> 4}`);
    await settled();
    expect(streams.filter(isAnswered)).toHaveLength(256);
  });

  it('end within a second', async () => {
    const { calls } = refusing().open();
    await vi.advanceTimersByTimeAsync(999);
    expect(calls).toEqual(['close']);
    await vi.advanceTimersByTimeAsync(1);
    expect(calls).toEqual(['close', expect.stringMatching(/^abort: /)]);
  });

  it('are answered as their protocol does, in several messages', async () => {
    const refusal = ({ code }: QuorateError) => [bytes(code), bytes('a longer second message')];
    const { open } = serving('member', { maxInboundStreams: 0, maxMessageBytes: 1, refusal });
    const { sent } = open();
    await settled();
    expect(sent.map((frame) => text(frame.subarray(4)))).toEqual([
      'MESH_PEER_QUOTA',
      'a longer second message',
    ]);
  });
});

describe('a handler', () => {
  it('that returns has its channel closed, and one that throws has it reset', async () => {
    const { open } = serving('member', {}, async () => {});
    const fine = open();
    await settled();
    expect(fine.calls).toEqual(['close']);
    const failing = serving('member', {}, () => Promise.reject('broken'));
    const broken = failing.open();
    await settled();
    expect(broken.calls).toEqual(['abort: broken']);
    expect(failing.stats.handlerFailures).toBe(1);
  });

  it('may send as much as it reads, or what its protocol says', async () => {
    const says = (size: number) => (channel: Channel) => channel.send(new Uint8Array(size));
    const equal = serving('member', { maxMessageBytes: 10 }, says(11));
    equal.open();
    const larger = serving('member', { maxMessageBytes: 10, maxSendBytes: 11 }, says(11));
    const { sent } = larger.open();
    await settled();
    expect(equal.stats).toMatchObject({ handlerFailures: 1, messagesTooLarge: 1 });
    expect(sent).toHaveLength(1);
  });
});
