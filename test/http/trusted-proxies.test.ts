import { expect, it } from 'vitest';
import { TrustedProxies } from '../../src/http/trusted-proxies.ts';
import { codeOf } from '../support/code-and-folder.ts';

const proxies = new TrustedProxies(['192.0.2.1', '10.0.0.0/8', '2001:db8:ffff::/48']);
const asked = (remoteAddress: string | undefined, headers: Record<string, string> = {}) =>
  proxies.clientOf({ socket: { remoteAddress }, headers } as never);
const hops = (n: number) => Array.from({ length: n }, () => '10.0.0.2').join(', ');

it.each<[string, string, Record<string, string>, string]>([
  ['a peer that is no proxy, whatever it says', '192.0.2.9', { 'x-forwarded-for': '192.0.2.7' }, '192.0.2.9'],
  ['a proxy that says nothing', '192.0.2.1', {}, '192.0.2.1'],
  ['the client of a proxy', '192.0.2.1', { 'x-forwarded-for': '192.0.2.7' }, '192.0.2.7'],
  ['the same by the other header', '::ffff:10.1.2.3', { forwarded: 'for="192.0.2.7:4711"' }, '192.0.2.7'],
  [
    'the right-most hop that is no proxy',
    '10.0.0.1',
    { 'x-forwarded-for': '1.2.3.4, 192.0.2.7, 10.0.0.2' },
    '192.0.2.7',
  ],
  [
    'the first of hops that are all proxies',
    '10.0.0.1',
    { 'x-forwarded-for': '10.0.0.3, 10.0.0.2' },
    '10.0.0.3',
  ],
  ['the first of as many proxies as there may be', '10.0.0.1', { 'x-forwarded-for': hops(32) }, '10.0.0.2'],
  ['a network of a client', '2001:db8:ffff::1', { forwarded: 'for="[2001:db8::7]"' }, '2001:db8:0:0::/64'],
  [
    'the same in both',
    '10.0.0.1',
    { forwarded: 'for=192.0.2.7', 'x-forwarded-for': '192.0.2.7' },
    '192.0.2.7',
  ],
])('the client is %s', (_, remote, headers, client) => {
  expect(asked(remote, headers)).toBe(client);
});

it.each<[string, Record<string, string>]>([
  ['two clients', { forwarded: 'for=192.0.2.7', 'x-forwarded-for': '192.0.2.8' }],
  ['nobody, in quotes that do not end', { forwarded: 'for="192.0.2.7' }],
  // Read again from each quote it takes minutes.
  ['nobody, in a long text in quotes that do not end', { forwarded: `"${'\\"'.repeat(500_000)}` }],
  ['a hop that is no address', { 'x-forwarded-for': 'unknown' }],
  ['too many proxies', { 'x-forwarded-for': hops(33) }],
])('a proxy that names %s is refused', async (_, headers) => {
  expect(await codeOf(() => asked('10.0.0.1', headers))).toBe('HTTP_FORWARDED_INVALID');
});
