import type { Connection } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { ConnectionPruner } from '../../src/mesh/connection-pruner.ts';
import type { Libp2pNode } from '../../src/mesh/libp2p-node.ts';
import type { Rank } from '../../src/protocol/base/rank.ts';

/** Two places are kept for owners, two for guests; a network, and a key at a controller, has a share of two. */
const max = 16;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
});

interface Opened {
  host?: string;
  direction?: 'inbound' | 'outbound';
  protocol?: string;
}

/** A node with a pruner, and the peers whose connections were ended, in their order. */
function pruned(rankOf?: (peer: string) => Rank) {
  const node = new EventTarget();
  const stats = { connectionsRefused: 0, connectionsClosed: 0 };
  const pruner = new ConnectionPruner(node as unknown as Libp2pNode, { max, rankOf, stats });
  const ended: string[] = [];
  let count = 0;
  const tell = (kind: string, detail: object) =>
    node.dispatchEvent(Object.assign(new Event(`connection:${kind}`), { detail }));
  const open = (peer: string, { host, direction = 'inbound', protocol }: Opened = {}) => {
    count += 1;
    const connection = {
      remotePeer: peer,
      remoteAddr: multiaddr(`/ip4/${host ?? `192.0.2.${count}`}/tcp/1`),
      direction,
      streams: protocol === undefined ? [] : [{ protocol }],
      abort: () => {
        ended.push(peer);
        tell('close', connection);
      },
    };
    tell('open', connection);
    return connection as unknown as Connection & { streams: { protocol: string }[] };
  };
  const many = (peers: number, given: Opened = {}) =>
    Array.from({ length: peers }, (_, n) => open(`peer ${n}`, given));
  return { pruner, stats, ended, open, many };
}

describe('the rank of a peer', () => {
  it('is that of an owner while it is kept, as often as it is', () => {
    const { pruner } = pruned((peer) => (peer === 'member' ? 'member' : 'guest'));
    const [first, second] = [pruner.keep('member'), pruner.keep('member')];
    first();
    first();
    expect(pruner.rankOf('member')).toBe('owner');
    second();
    expect(pruner.rankOf('member')).toBe('member');
    expect(pruned().pruner.rankOf('anybody')).toBe('guest');
  });
});

describe('connections that this node opened', () => {
  it('leave when they are in use no more, though no other one opens', () => {
    const { ended, many } = pruned();
    const opened = many(max + 4, { host: '203.0.113.1', direction: 'outbound', protocol: '' });
    vi.advanceTimersByTime(5_000);
    expect(ended).toEqual([]);
    for (const { streams } of opened) streams.length = 0;
    vi.advanceTimersByTime(1_000);
    expect(ended).toHaveLength(4 + 2);
    vi.advanceTimersByTime(5_000);
    expect(ended).toHaveLength(4 + 2);
  });

  it('are not held by streams that the peers open', () => {
    const { ended, many } = pruned();
    const opened = many(max + 4, { host: '203.0.113.1', direction: 'outbound', protocol: '' });
    for (const { streams } of opened)
      for (const stream of streams)
        Object.assign(stream, { protocol: '/quorate/bundle/1', direction: 'inbound' });
    vi.advanceTimersByTime(50);
    expect(ended).toHaveLength(4 + 2);
  });
});

it('of guests that have been here for long one that reads something goes after those that ask nothing', () => {
  const { ended, open, many } = pruned(() => 'guest');
  const { streams } = open('reads');
  streams.push(Object.assign({ protocol: '/quorate/car/1' }, { direction: 'inbound' }));
  many(max - 3);
  vi.advanceTimersByTime(31_000);
  open('comes');
  expect(ended).toEqual(['peer 0']);
  streams.length = 0;
  open('comes too');
  expect(ended).toEqual(['peer 0', 'reads']);
});

describe('a connection that finds no place', () => {
  it('is told that the node is full, and ended three seconds later', () => {
    const { pruner, stats, ended, open, many } = pruned(() => 'member');
    const [first] = many(12);
    expect(pruner.taken).toEqual({ open: 12, max, isFull: false });
    const late = open('late');
    expect(pruner.refusalOf(late)).toMatchObject({ code: 'MESH_FULL' });
    expect(first && pruner.refusalOf(first)).toBeUndefined();
    expect(pruner.taken).toEqual({ open: 12, max, isFull: true });
    expect(stats).toEqual({ connectionsRefused: 1, connectionsClosed: 0 });
    vi.advanceTimersByTime(2_999);
    expect(ended).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(ended).toEqual(['late']);
    expect(pruner.refusalOf(late)).toBeUndefined();
    vi.advanceTimersByTime(10 * 60_000 - 3_001);
    expect(pruner.taken.isFull).toBe(true);
    vi.advanceTimersByTime(1);
    expect(pruner.taken.isFull).toBe(false);
    first?.abort(new Error('it leaves'));
    expect(pruner.taken.open).toBe(11);
  });

  it('is ended at once where 64 others came after it', () => {
    const { ended, open, many } = pruned(() => 'member');
    many(12);
    for (let n = 0; n < 64; n++) open(`late ${n}`);
    expect(ended).toEqual([]);
    for (let n = 64; n < 66; n++) open(`late ${n}`);
    expect(ended).toEqual(['late 0', 'late 1']);
  });

  it('is one more of a key than its share at a node that ranks its peers', () => {
    const { pruner, ended, open } = pruned(() => 'owner');
    const [, , third] = [open('one'), open('one'), open('one')];
    expect(pruner.refusalOf(third)).toMatchObject({
      message: 'one key may have 2 of the 16 connections here',
    });
    expect(ended).toEqual([]);
    const other = pruned();
    for (let n = 0; n < 4; n++) expect(other.pruner.refusalOf(other.open('one'))).toBeUndefined();
  });
});

describe('a connection that gives its place to another', () => {
  it('is one of a guest who has been there for long, unless it has enrolled meanwhile', () => {
    const ranks = new Map<string, Rank>();
    const { stats, ended, open, many } = pruned((peer) => ranks.get(peer) ?? 'guest');
    many(12);
    vi.advanceTimersByTime(60_000);
    open('peer 12');
    open('peer 13');
    expect(ended).toEqual([]);
    ranks.set('peer 0', 'member');
    open('peer 14');
    expect(ended).toEqual(['peer 1']);
    expect(stats).toEqual({ connectionsRefused: 0, connectionsClosed: 1 });
  });

  it('is one that this node opened, once nothing but upkeep goes over it', () => {
    const { ended, many } = pruned();
    const all = many(15, { direction: 'outbound', host: '192.0.2.1', protocol: '' });
    for (const { streams } of all) for (const stream of streams) stream.protocol = '/ipfs/id/1.0.0';
    expect(ended).toEqual([]);
    vi.advanceTimersByTime(50);
    expect(ended).toEqual(['peer 0']);
    const asking = pruned();
    asking.many(15, { direction: 'outbound', host: '192.0.2.1', protocol: '/quorate/lease/1' });
    vi.advanceTimersByTime(50);
    expect(asking.ended).toEqual([]);
  });
});

it('a node asks for the ranks of all its peers where it is nearly full, every five seconds', () => {
  const rankOf = vi.fn((): Rank => 'owner');
  const { open, many } = pruned(rankOf);
  many(12);
  expect(rankOf).toHaveBeenCalledTimes(12);
  const calls = (peer: string): number => {
    rankOf.mockClear();
    open(peer);
    return rankOf.mock.calls.length;
  };
  expect(calls('peer 12')).toBe(1 + 13);
  vi.advanceTimersByTime(5_000);
  expect(calls('peer 13')).toBe(1);
  vi.advanceTimersByTime(1);
  expect(calls('peer 14')).toBe(1 + 15);
});
