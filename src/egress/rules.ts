import { lookup } from 'node:dns/promises';
import { BlockList, isIP, isIPv6 } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { QuorateError } from '../protocol/base/errors.ts';
import { canonical, isLoopback, isPublic } from './addresses.ts';

/** Targets of an entry `host` or `host:port` of a charter; without a port, one for each usual port. Empty if invalid. */
export function targetsOf(entry: string, usualPorts: readonly number[]): Target[] {
  const [, host = '', port] = /^(\[[^\]]+\]|[^:]+)(?::([0-9]+))?$/.exec(entry.toLowerCase()) ?? [];
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (bare === '' || Number(port ?? 1) < 1 || Number(port ?? 1) > 65_535) return [];
  return (port === undefined ? usualPorts : [Number(port)]).map((one) => ({ host: bare, port: one }));
}

/** Whether the host is an IP address or `localhost`. Such an entry permits a private address explicitly. */
export const isLiteralAddress = ({ host }: Target): boolean => isIP(host) !== 0 || host === 'localhost';

export interface Target {
  /** A name or an address, IPv6 with or without brackets. */
  host: string;
  port: number;
}

export type Resolve = (host: string) => Promise<readonly { address: string }[]>;

export interface EgressRules {
  /** The only permitted destinations, by the same name or address. */
  targets: readonly Target[];
  /** Literal private addresses, or `localhost`, that the project's owner listed. A name that resolves to one is not permitted. */
  privateTargets: readonly Target[];
  /** Default: the host's resolver. */
  resolve?: Resolve | undefined;
}

/** Shortest prefix of an interface's network that is excluded. A tunnel may claim half of the address space. */
const networkBitsMin = { ipv4: 8, ipv6: 48 };

const resolveHere: Resolve = (host) => lookup(host, { all: true });

/** The addresses of a destination that the rules permit; none is resolved that `gate` refuses. @throws `EGRESS_…`, as `gate` */
export async function addressesFor(
  rules: EgressRules,
  asked: Target,
  gate?: { check(target: Target): void },
): Promise<string[]> {
  const host = canonical(asked.host);
  const { port } = asked;
  if (!rules.targets.some((target) => canonical(target.host) === host && target.port === port))
    throw new QuorateError('EGRESS_NOT_ALLOWED', `a connection to ${printable(host)}:${port} was refused`, {
      hint: 'The owner lists a server with quorate charter set --vcs; a job then names it with network: [vcs].',
    });
  gate?.check({ host, port });
  const isNamed = (address: string): boolean =>
    rules.privateTargets.some(
      (name) =>
        name.port === port &&
        (name.host !== 'localhost' || host === 'localhost') &&
        isLiterally(name.host, address),
    );
  return openAddresses(host, isNamed, rules.resolve);
}

/** Whether a host is given as this address, or as `localhost`. A private address is reached only so: a name may lead anywhere. */
export const isLiterally = (host: string, address: string): boolean =>
  canonical(host) === address || (host === 'localhost' && isLoopback(address));

/** The addresses of a name that are public or permitted. @throws EGRESS_ADDRESS_REFUSED, EGRESS_UNREACHABLE */
export async function openAddresses(
  host: string,
  isPermitted: (address: string) => boolean,
  resolve: Resolve = resolveHere,
): Promise<string[]> {
  let found: string[];
  try {
    found = (await resolve(host)).map(({ address }) => address);
  } catch (cause) {
    throw new QuorateError('EGRESS_UNREACHABLE', `the name ${host} cannot be resolved`, {
      hint: 'Check the host, the port and the network.',
      cause,
    });
  }
  const near = networksOf(Object.values(networkInterfaces()).flatMap((all = []) => all));
  const isNear = (address: string): boolean => near.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  const open = found
    .map(canonical)
    .filter((address) => (isPublic(address) && !isNear(address)) || isPermitted(address));
  if (open.length === 0)
    throw new QuorateError(
      'EGRESS_ADDRESS_REFUSED',
      `${host} resolves to ${found.map(printable).join(', ') || 'no address'}: no public address`,
      {
        hint: "A private address is reached only if the charter's vcs lists the address itself; by a build, only if [network] private in the operator's worker.toml lists it too.",
      },
    );
  return open;
}

/** Networks of the host's own interfaces. They are excluded even if their addresses are public. */
export function networksOf(interfaces: readonly Pick<NetworkInterfaceInfo, 'address' | 'cidr'>[]): BlockList {
  const networks = new BlockList();
  for (const { address, cidr } of interfaces) {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    networks.addAddress(address, family);
    const bits = Number(cidr?.split('/')[1] ?? Number.NaN);
    if (bits >= networkBitsMin[family]) networks.addSubnet(address, bits, family);
  }
  return networks;
}

/** Untrusted text for a message: printable ASCII, at most 100 characters. */
export const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
