import { BlockList, isIP, isIPv6 } from 'node:net';

/** IPv4 networks that are not globally reachable: IANA's special-purpose registry (RFC 6890), and multicast. */
const notPublic4: readonly [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  // Azure's metadata and agent server: a public address for requests of the host itself.
  ['168.63.129.16', 32],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/** Public IPv6 is global unicast (RFC 4291) without protocol assignments (Teredo), documentation and 6to4, which embeds IPv4. */
const global6: readonly [string, number] = ['2000::', 3];
const notPublic6: readonly [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const global = new BlockList();
global.addSubnet(...global6, 'ipv6');
const special = new BlockList();
for (const [net, bits] of notPublic4) special.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of notPublic6) special.addSubnet(net, bits, 'ipv6');
const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether text is a globally reachable address. False for other text and for an address with a zone (`%eth0`). */
export function isPublic(address: string): boolean {
  if (address.includes('%')) return false;
  switch (isIP(address)) {
    case 4:
      return !special.check(address, 'ipv4');
    case 6:
      return global.check(address, 'ipv6') && !special.check(address, 'ipv6');
    default:
      return false;
  }
}

export function isLoopback(address: string): boolean {
  return loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** Canonical form of a host: lower case, IPv6 compressed (RFC 5952) and without brackets. */
export function canonical(host: string): string {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  return isIPv6(bare) && !bare.includes('%') ? new URL(`http://[${bare}]/`).hostname.slice(1, -1) : bare;
}
