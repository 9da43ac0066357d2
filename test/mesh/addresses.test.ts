import { multiaddr } from '@multiformats/multiaddr';
import { expect, it } from 'vitest';
import {
  groupByPeer,
  parseAddress,
  parseCid,
  parseMultiaddr,
  parsePeer,
  withPeer,
} from '../../src/mesh/addresses.ts';
import { networkOf } from '../../src/mesh/network.ts';
import { testKey } from '../support/documents.ts';

const [id, other] = [testKey('a').id, testKey('b').id];
const plain = '/ip4/192.0.2.1/tcp/1';

it('an address names the peer that is reached last', () => {
  expect(parseAddress(`${plain}/p2p/${id}`)).toEqual({ id, addrs: [`${plain}/p2p/${id}`] });
  expect(parseAddress(`${plain}/p2p/${id}/p2p-circuit/p2p/${other}`).id).toBe(other);
});

it.each<[string, () => unknown, string]>([
  ['no address', () => parseMultiaddr('192.0.2.1:1'), 'MESH_ADDRESS_INVALID'],
  ['an address without a peer', () => parseAddress(plain), 'MESH_ADDRESS_INVALID'],
  ['an address of a relay', () => parseAddress(`${plain}/p2p/${id}/p2p-circuit`), 'MESH_ADDRESS_INVALID'],
  ['no peer', () => parsePeer('somebody'), 'MESH_ARGUMENT_INVALID'],
  ['no CID', () => parseCid('bafy'), 'MESH_ARGUMENT_INVALID'],
])('%s is an error that says so', (_, parse, code) => {
  expect(parse).toThrow(expect.objectContaining({ code }));
});

it('an address is given its peer, where it names none', () => {
  expect(withPeer(multiaddr(plain), id).toString()).toBe(`${plain}/p2p/${id}`);
  expect(withPeer(multiaddr(`${plain}/p2p/${other}`), id).toString()).toBe(`${plain}/p2p/${other}`);
});

it('addresses of one peer come together', () => {
  expect(
    groupByPeer([
      { id, addrs: ['1'] },
      { id: other, addrs: ['2'] },
      { id, addrs: ['3', '4'] },
    ]),
  ).toEqual([
    { id, addrs: ['1', '3', '4'] },
    { id: other, addrs: ['2'] },
  ]);
});

it.each([
  ['/ip4/192.0.2.1/tcp/1', '192.0.2.1'],
  ['/ip6/2001:db8:1:2:3::4/tcp/1', '2001:db8:1:2::/64'],
  ['/dns4/host.example/tcp/1', 'dns4'],
  [`/ip4/192.0.2.1/tcp/1/p2p/${id}/p2p-circuit/p2p/${other}`, '192.0.2.1'],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(multiaddr(address))).toBe(network);
});
