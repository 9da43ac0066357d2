import { isIP } from 'node:net';
import { limits } from '../protocol/base/limits.ts';

/** Whether a `host` header is an IP address, localhost or one of `names` (lower case, no port): no name of DNS rebinding is. */
export function isKnownHost(header: string | undefined, names: ReadonlySet<string>): boolean {
  const [, bracketed, plain] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/?#@\s]+))(?::\d{1,5})?$/.exec(header ?? '') ?? [];
  if (bracketed !== undefined) return isIP(bracketed) === 6;
  if (plain === undefined) return false;
  const name = plain.toLowerCase().replace(/\.$/, '');
  return isIP(name) === 4 || name === 'localhost' || names.has(name);
}

/** Names in URLs, as `isKnownHost` takes them. */
export const namesIn = (urls: readonly string[]): string[] =>
  urls.flatMap((url) => (URL.canParse(url) ? [new URL(url).hostname.toLowerCase()] : []));

/** `127.0.0.1:8080`, `[::]:8080`, `ci.example.org:8080`; undefined for anything else. */
export function parseHostPort(text: string): { host: string; port: number } | undefined {
  const [, v6, name, digits] = /^(?:\[([0-9a-fA-F:]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? name;
  return host === undefined || Number(digits) > 65_535 ? undefined : { host, port: Number(digits) };
}

/** Address of a monitor: `9464` stands for `127.0.0.1:9464`. */
export const parseMonitorAddress = (text: string): { host: string; port: number } | undefined =>
  parseHostPort(/^\d{1,5}$/.test(text) ? `127.0.0.1:${text}` : text);

/** URLs of a server for other nodes. One that listens on all interfaces has the addresses of the multiaddrs, relays excepted. */
export function urlsOf(host: string, port: number, multiaddrs: readonly string[]): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [urlOf(host, port)];
  const hosts = multiaddrs
    .filter((addr) => !addr.includes('/p2p-circuit'))
    .flatMap((addr) => /^\/(?:ip4|ip6|dns|dns4|dns6)\/([^/]+)\//.exec(addr)?.[1] ?? []);
  return [...new Set(hosts)].slice(0, limits.feedUrlsMax).map((name) => urlOf(name, port));
}

export const urlOf = (host: string, port: number): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
