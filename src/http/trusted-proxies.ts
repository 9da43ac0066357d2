import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { clientOf } from '../protocol/base/client-address.ts';
import { QuorateError } from '../protocol/base/errors.ts';

/** Hops in a header that are looked at; a request through more is refused. */
const hopsMax = 32;

/** `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32`: what `TrustedProxies` takes. */
export function isProxyAddress(text: string): boolean {
  const [address = '', prefix, ...rest] = text.split('/');
  const bits = isIP(address) === 4 ? 32 : 128;
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
  return isIP(address) !== 0 && rest.length === 0 && isPrefix;
}

/** Proxies whose `Forwarded` (RFC 7239) or `X-Forwarded-For` names the client. */
export class TrustedProxies {
  readonly #list = new BlockList();

  /** @param entries for which `isProxyAddress` holds */
  constructor(entries: readonly string[]) {
    for (const entry of entries) {
      const [address = '', prefix] = entry.split('/');
      const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
      if (prefix === undefined) this.#list.addAddress(address, family);
      else this.#list.addSubnet(address, Number(prefix), family);
    }
  }

  has(remote: string | undefined): boolean {
    const address = plain(remote ?? '');
    const family = isIP(address);
    return family !== 0 && this.#list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }

  /** The client's key: the peer or, behind trusted proxies, the right-most hop that is none. @throws HTTP_FORWARDED_INVALID */
  clientOf({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
    const peer = socket.remoteAddress;
    if (!this.has(peer)) return clientOf(peer);
    const clients = [forwarded(headers.forwarded), listed(headers['x-forwarded-for'])]
      .filter((hops) => hops !== undefined)
      .map((hops) => this.#client(hops));
    const [client, other = client] = clients;
    // A proxy that writes one of them may pass on what the client wrote into the other.
    if (client !== other)
      throw invalid(
        'Forwarded and X-Forwarded-For name different clients; have the proxy remove one of them',
      );
    return client ?? clientOf(peer);
  }

  #client(hops: readonly string[]): string {
    if (hops.length > hopsMax) throw invalid(`there are more than ${hopsMax} proxies`);
    for (const hop of hops.toReversed()) {
      const address = addressOf(hop);
      if (address === undefined) throw invalid('a hop is no address');
      if (!this.has(address)) return clientOf(address);
    }
    return clientOf(addressOf(hops[0] ?? ''));
  }
}

const invalid = (what: string): QuorateError =>
  new QuorateError('HTTP_FORWARDED_INVALID', `the proxy in front does not say who asks: ${what}`);

const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');

/** The address of a hop, which may have a port: `192.0.2.7:4711`, `[2001:db8::1]:4711`, `2001:db8::1`. */
function addressOf(hop: string): string | undefined {
  const [, bracketed, v4] = /^(?:\[([0-9A-Fa-f:.]+)\]|(\d[\d.]*))(?::\d{1,5})?$/.exec(hop) ?? [];
  const address = plain(bracketed ?? v4 ?? hop);
  return isIP(address) === 0 ? undefined : address;
}

const listed = (header: string | readonly string[] | undefined): string[] | undefined =>
  header === undefined
    ? undefined
    : String(header)
        .split(',')
        .map((hop) => hop.trim());

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const quoted = '"(?:[^"\\\\]|\\\\.)*"';
const pair = new RegExp(`^(${token})=(${token}|${quoted})$`);

/** Pairs of each element, split at commas and semicolons outside of quotes, in one pass: the header is not paid for yet. */
function elementsOf(header: string): string[][] {
  const elements: string[][] = [[]];
  let [from, isQuoted] = [0, false];
  for (let at = 0; at <= header.length; at++) {
    const char = header[at];
    if (isQuoted && char === '\\') at++;
    else if (char === '"') isQuoted = !isQuoted;
    else if (char === undefined || (!isQuoted && (char === ',' || char === ';'))) {
      if (at > from) elements.at(-1)?.push(header.slice(from, at).trim());
      if (char === ',') elements.push([]);
      from = at + 1;
    }
  }
  if (isQuoted) throw invalid('Forwarded is malformed');
  return elements;
}

/** The `for` of each element. An element without one, or a header that is not of the grammar, is no answer. */
function forwarded(header: string | undefined): string[] | undefined {
  if (header === undefined) return undefined;
  return elementsOf(header).map((pairs) => {
    const hops = pairs.flatMap((text) => {
      const [, name, value = ''] = pair.exec(text) ?? [];
      if (name === undefined) throw invalid('Forwarded is malformed');
      const unquoted = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
      return name.toLowerCase() === 'for' ? [unquoted] : [];
    });
    const [hop] = hops;
    if (hop === undefined || hops.length > 1) throw invalid('Forwarded is malformed');
    return hop;
  });
}
