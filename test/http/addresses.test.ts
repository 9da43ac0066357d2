import { describe, expect, it } from 'vitest';
import { urlsOf } from '../../src/http/addresses.ts';
import { clientOf } from '../../src/protocol/base/client-address.ts';

describe('the address that stands for one client', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    // As a URL or a multiaddr has it.
    ['::ffff:c000:207', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s is %s', (remote, client) => expect(clientOf(remote)).toBe(client));
});

describe('where a server is to be found', () => {
  const addrs = [
    '/ip4/127.0.0.1/tcp/4710/p2p/A',
    '/ip4/192.0.2.7/tcp/4710/p2p/A',
    '/ip4/192.0.2.7/tcp/4711/p2p/A',
    '/dns4/ci.example.org/tcp/4710/p2p/A',
    '/ip6/2001:db8::1/tcp/4710/p2p/A',
    '/ip4/198.51.100.1/tcp/4001/p2p/B/p2p-circuit/p2p/A',
  ];

  it('is where it listens', () => {
    expect(urlsOf('192.0.2.7', 8080, addrs)).toEqual(['http://192.0.2.7:8080']);
    expect(urlsOf('2001:db8::1', 8080, addrs)).toEqual(['http://[2001:db8::1]:8080']);
  });

  it('is on each host of the node where it listens on all interfaces', () => {
    expect(urlsOf('0.0.0.0', 8080, addrs)).toEqual([
      'http://127.0.0.1:8080',
      'http://192.0.2.7:8080',
      'http://ci.example.org:8080',
      'http://[2001:db8::1]:8080',
    ]);
  });
});
