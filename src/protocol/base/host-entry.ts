/** A host with its port, in characters: a worker that passes on an offer names it, in 200. */
export const hostCharsMax = 128;

/** Hosts that an operator lets its worker connect to, as `host` (its usual ports) or `host:port`; or all of them. */
export type AllowedHosts = readonly string[] | 'any';

/** Of https, http and git: an entry without a port stands for these. */
const usualPorts: readonly (number | undefined)[] = [443, 80, 9418];

/** An IPv6 address has brackets, which go, as does the dot at the end of a name; undefined for text that is no `host` or `host:port`. */
function placeOf(entry: string): { host: string; port: number | undefined } | undefined {
  const [, bracketed, name, port] =
    /^(?:\[([0-9a-f:.]+)\]|((?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)\.?)(?::([0-9]{1,5}))?$/.exec(
      entry.toLowerCase(),
    ) ?? [];
  const host = bracketed ?? name;
  return host === undefined ? undefined : { host, port: port === undefined ? undefined : Number(port) };
}

/** Without port and brackets. */
export const hostNameOf = (entry: string): string | undefined => placeOf(entry)?.host;

/** Whether text names a host as `host` or `host:port`. `any` is none: in a list it would be read as all hosts. */
export function isHostEntry(entry: string): boolean {
  const { host, port = 1 } = placeOf(entry) ?? { port: 0 };
  return entry.length <= hostCharsMax && host !== 'any' && port >= 1 && port <= 65_535;
}

/** Whether all connections that `entry` stands for are allowed. */
export function allowsHost(allowed: AllowedHosts, entry: string): boolean {
  if (allowed === 'any') return true;
  const asked = placeOf(entry);
  if (asked === undefined) return false;
  return allowed.some((one) => {
    const { host, port } = placeOf(one) ?? {};
    if (host !== asked.host) return false;
    return port === asked.port || (port === undefined && usualPorts.includes(asked.port));
  });
}
