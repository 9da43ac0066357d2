import type { Multiaddr } from '@multiformats/multiaddr';
import { clientOf } from '../protocol/base/client-address.ts';

/**
 * The network of an address: an IPv4 address, or the /64 prefix of an IPv6 address; of a relayed one that of its relay. All DNS names
 * share one network, since the owner of a domain can have any number of them.
 */
export function networkOf(address: Multiaddr): string {
  const [, kind = '', host = ''] = address.toString().split('/');
  return isName(address) ? kind : clientOf(host);
}

/** The group with the most; the first of several. */
export const largest = <T>(groups: Iterable<readonly T[]>): readonly T[] =>
  [...groups].reduce((most, group) => (group.length > most.length ? group : most), []);

/** Whether an address begins with no IP address. */
export const isName = (address: Multiaddr): boolean => !/^\/ip[46]\//.test(address.toString());
