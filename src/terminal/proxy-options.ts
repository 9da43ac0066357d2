import { InvalidArgumentError } from 'commander';
import { isProxyAddress, TrustedProxies } from '../http/trusted-proxies.ts';
import { several } from './values.ts';

export const proxyHelp =
  'proxy in front of --http, address or CIDR, that says who its clients are (Forwarded, X-Forwarded-For); repeatable';

/** `192.0.2.7`, `192.0.2.0/24`, `::1`; repeatable. */
export function proxyAddresses(text: string, before: string[] | undefined): string[] {
  if (!isProxyAddress(text))
    throw new InvalidArgumentError('Give an address or a CIDR, such as 127.0.0.1 or 10.0.0.0/8.');
  return several(text, before);
}

export const trustedProxies = (entries: readonly string[] | undefined): TrustedProxies | undefined =>
  entries === undefined ? undefined : new TrustedProxies(entries);
