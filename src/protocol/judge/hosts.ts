import { type AllowedHosts, allowsHost, hostCharsMax, hostNameOf } from '../base/host-entry.ts';
import type { Charter, Job } from '../documents/index.ts';
import { serverOf } from './index.ts';
import { judgeLimits } from './limits.ts';

/** Hosts that a project names for its workers, each once. `feed`: where its controller answers by HTTP. */
export function hostsNamed(
  { vcs, bootstrap }: Pick<Charter, 'vcs' | 'bootstrap'>,
  feed: readonly string[] = [],
): string[] {
  return unique([...vcs, ...bootstrap.flatMap(bootstrapHost), ...feed.map(hostOfUrl)]);
}

/** Hosts that building a job may connect to: the server of its source, and those that its network leads to. Each once. */
export function hostsOfJob(
  { source, network = [] }: Pick<Job, 'source' | 'network'>,
  { vcs }: Pick<Charter, 'vcs'>,
  feed: readonly string[] = [],
): string[] {
  return unique([
    hostOfUrl(source.url),
    ...(network.includes('vcs') ? vcs : []),
    ...(network.includes('store') ? feed.map(hostOfUrl) : []),
  ]);
}

/** A URL without a server stays as it is, which no list but `any` allows. */
const hostOfUrl = (url: string): string => serverOf(url) ?? url;

/** The host of a multiaddr with its port: `/dns4/boot.example/tcp/4001/…` is `boot.example:4001`. None for a relayed or other one. */
export function bootstrapHost(addr: string): string[] {
  const [, kind, host = '', port] =
    /^\/(ip4|ip6|dns|dns4|dns6|dnsaddr)\/([^/]+)(?:\/(?:tcp|udp)\/([0-9]+))?(?:\/|$)/.exec(addr) ?? [];
  if (kind === undefined) return [];
  return [`${kind === 'ip6' ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`];
}

const unique = (hosts: readonly string[]): string[] => [...new Set(hosts.map((host) => host.toLowerCase()))];

/** Of these hosts those that the operator has not allowed. Without a list all are allowed. */
export const refusedHosts = (allowed: AllowedHosts = 'any', hosts: readonly string[]): string[] =>
  hosts.filter((host) => !allowsHost(allowed, host));

/** Reason to pass on an offer whose job needs these hosts; undefined where all are allowed, and none has reached a limit. */
export function reasonToPassHost(
  { hosts: allowed, spent = [] }: { hosts?: AllowedHosts; spent?: readonly string[] },
  hosts: readonly string[],
): string | undefined {
  const [refused] = refusedHosts(allowed, hosts);
  const why = (host: string, says: string) => `does not connect to ${host.slice(0, hostCharsMax)}: ${says}`;
  if (refused !== undefined) return why(refused, 'its operator has not allowed that host');
  const full = hosts.find((host) => spent.includes(hostNameOf(host) ?? host));
  return full === undefined ? undefined : why(full, 'it has reached a limit of this hour');
}

/** Hosts that are not allowed, of jobs that were passed on. */
export function hostsWanted(
  known: Iterable<{ state: string; hosts: readonly string[] }>,
  allowed: AllowedHosts | undefined,
): string[] {
  const passed = [...known].filter(({ state }) => state === 'passed');
  const wanted = new Set(passed.flatMap(({ hosts }) => refusedHosts(allowed, hosts)));
  return [...wanted].slice(0, judgeLimits.hostsWantedMax);
}
