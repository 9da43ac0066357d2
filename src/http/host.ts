import { isIP } from 'node:net';

/**
 * Whether a `host` header names this server: an IP address, localhost, or one of `names` (lower case, without port). A name that
 * somebody else's DNS leads here (DNS rebinding) is none of these.
 */
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
