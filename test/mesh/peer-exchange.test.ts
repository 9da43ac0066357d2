import { expect, it } from 'vitest';
import { type ExchangeMesh, PEER_EXCHANGE_PROTOCOL, PeerExchange } from '../../src/mesh/peer-exchange.ts';
import type { Channel, OpenOptions, ProtocolOptions, ReceiveOptions } from '../../src/mesh/types.ts';
import { testKey } from '../support/documents.ts';
import { bytes, soon, text } from './harness.ts';

/** A channel that brings `message`, and what was done with it. */
function channelOf(message: string | undefined, peer = 'peer', network = peer) {
  const sent: string[] = [];
  const calls: string[] = [];
  const waits: (number | undefined)[] = [];
  const channel = {
    peer,
    link: { network },
    send: async (data: Uint8Array) => void sent.push(text(data)),
    receive: async ({ timeoutMs }: ReceiveOptions = {}) => {
      waits.push(timeoutMs);
      return message === undefined ? undefined : bytes(message);
    },
    close: async () => void calls.push('close'),
    abort: ({ name }: Error) => void calls.push(`abort: ${name}`),
  } as unknown as Channel;
  return { channel, sent, calls, waits };
}

function exchanging(reply?: string, serves = (root: string) => root === 'root') {
  let answer: (channel: Channel) => Promise<void> = async () => {};
  let bounds: Partial<ProtocolOptions> = {};
  const opened: OpenOptions[] = [];
  const asked = channelOf(reply);
  const mesh: ExchangeMesh = {
    handle: (protocol, handler, options) => {
      expect(protocol).toBe(PEER_EXCHANGE_PROTOCOL);
      answer = handler;
      bounds = options;
    },
    open: async (_peer, _protocol, options) => {
      opened.push(options);
      return asked.channel;
    },
    addresses: () => Array.from({ length: 10 }, (_, n) => `/ip4/192.0.2.${n}/tcp/1`),
  };
  const exchange = new PeerExchange(mesh, serves);
  /** The answer to a request. */
  const answered = async (message: string | undefined, peer?: string) => {
    const { channel, sent, waits } = channelOf(message, peer);
    await answer(channel);
    expect(waits).toEqual([5_000]);
    return sent.map((one) => JSON.parse(one).peers);
  };
  return { exchange, asked, opened, answered, bounds: () => bounds };
}

const request = (root: string, addrs: string[] = []) => JSON.stringify({ root, addrs });

it('a member asks with eight of its addresses, and gives five seconds', async () => {
  const peers = [{ id: testKey('a').id, addrs: ['/ip4/192.0.2.1/tcp/1'] }];
  const nobody = [
    { id: 'a', addrs: [] },
    { id: testKey('b').id, addrs: ['nowhere'] },
  ];
  const { exchange, asked, opened } = exchanging(JSON.stringify({ peers: [...peers, ...nobody] }));
  expect(await exchange.ask('peer', 'root', soon())).toEqual(peers);
  expect(asked.sent.map((one) => JSON.parse(one))).toMatchObject([{ root: 'root', addrs: { length: 8 } }]);
  expect([asked.calls, asked.waits, opened[0]?.maxMessageBytes]).toEqual([['close'], [5_000], 64 * 1024]);
});

it.each([
  ['without an answer has none', undefined],
  ['that is told of too many gives up', JSON.stringify({ peers: Array(17).fill({ id: 'a', addrs: [] }) })],
  ['that is told of no id gives up', JSON.stringify({ peers: [{ id: '', addrs: [] }] })],
  ['that is answered by something else gives up', '{'],
])('a member %s', async (_, reply) => {
  const { exchange, asked } = exchanging(reply);
  const found = exchange.ask('peer', 'root', soon());
  if (reply === undefined) expect(await found).toEqual([]);
  else await expect(found).rejects.toThrow();
  expect(asked.calls).toEqual(reply === undefined ? [] : ['close', expect.stringContaining('abort: ')]);
});

it('a node tells of those who asked before, of projects that it serves', async () => {
  const { answered, bounds } = exchanging();
  expect(await answered(request('root', ['/x']), 'a')).toEqual([[]]);
  expect(await answered(request('other'), 'a')).toEqual([[]]);
  expect(await answered(request('other'), 'b')).toEqual([[]]);
  expect(await answered(request('root'), 'b')).toEqual([[{ id: 'a', addrs: ['/x'] }]]);
  expect(await answered(undefined)).toEqual([]);
  expect(bounds().maxSendBytes).toBe(64 * 1024);
});

it.each([
  ['no root', '{"addrs":[]}'],
  ['nine addresses', request('root', Array(9).fill('/x'))],
  ['an endless address', request('root', ['x'.repeat(513)])],
])('a node answers no request with %s', async (_, message) => {
  const { answered } = exchanging();
  await expect(answered(message, 'a')).rejects.toThrow();
  expect(await answered(request('root'), 'b')).toEqual([[]]);
});

it('a node tells of as many as its answer has room for, sixteen at most', async () => {
  const { answered } = exchanging();
  const long = Array(8).fill('x'.repeat(512));
  for (let n = 0; n < 20; n++) await answered(request('root', long), `peer ${n}`);
  const [peers] = await answered(request('root'), 'last');
  expect(JSON.stringify({ peers }).length).toBeLessThanOrEqual(64 * 1024);
  expect(peers).toHaveLength(15);
  for (let n = 0; n < 20; n++) await answered(request('root'), `peer ${n}`);
  expect((await answered(request('root'), 'last'))[0]).toHaveLength(16);
});
