import { lookup } from 'node:dns/promises';
import { BlockList, isIPv6 } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { QuorateError } from '../core/errors.ts';
import { canonical, isLoopback, isPublic } from './addresses.ts';

export interface Target {
  /** A name or an address, IPv6 with or without brackets. */
  host: string;
  port: number;
}

/** All addresses of a name, as the machine's own resolver knows them. */
export type Resolve = (host: string) => Promise<readonly { address: string }[]>;

export interface EgressRules {
  /** The only places that may be asked for, by the very name. */
  targets: readonly Target[];
  /**
   * Addresses, or `localhost`, that may be reached although they are not public, as the owner of the project named them
   * literally. A name that leads to such an address is not enough.
   */
  privateTargets: readonly Target[];
  /** A stand-in for tests. */
  resolve?: Resolve | undefined;
}

const networkBitsMin = { ipv4: 8, ipv6: 48 };

const resolveHere: Resolve = (host) => lookup(host, { all: true });

/**
 * The addresses to connect to for a host and port that somebody inside asked for.
 * @throws EGRESS_NOT_ALLOWED, EGRESS_ADDRESS_REFUSED, EGRESS_UNREACHABLE
 */
export async function addressesFor(rules: EgressRules, asked: Target): Promise<string[]> {
  const host = canonical(asked.host);
  const { port } = asked;
  if (!rules.targets.some((target) => canonical(target.host) === host && target.port === port)) {
    throw new QuorateError('EGRESS_NOT_ALLOWED', `a connection to ${printable(host)}:${port} was refused`, {
      hint: 'Only the servers that the job and the charter name can be reached.',
    });
  }
  let found: string[];
  try {
    found = (await (rules.resolve ?? resolveHere)(host)).map(({ address }) => address);
  } catch (cause) {
    throw new QuorateError('EGRESS_UNREACHABLE', `the name ${host} cannot be looked up`, {
      hint: 'Check the host, the port and the network.',
      cause,
    });
  }
  const near = networksOf(Object.values(networkInterfaces()).flatMap((all = []) => all));
  const isNear = (address: string): boolean => near.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
  const isNamed = (address: string): boolean =>
    rules.privateTargets.some(
      (name) =>
        name.port === port &&
        (canonical(name.host) === address ||
          (name.host === 'localhost' && host === 'localhost' && isLoopback(address))),
    );
  const open = found
    .map(canonical)
    .filter((address) => (isPublic(address) && !isNear(address)) || isNamed(address));
  if (open.length === 0) {
    throw new QuorateError(
      'EGRESS_ADDRESS_REFUSED',
      `${host} is ${found.map(printable).join(', ') || 'no address'}: no address of the open internet`,
      {
        hint: "Of a private network only an address that the charter's vcs names itself is reached; by a build, only if [network] private in the operator's worker.toml names it, too.",
      },
    );
  }
  return open;
}

/** The machine's own addresses and their neighbours', which are no business of a build's even where they are public. */
export function networksOf(interfaces: readonly Pick<NetworkInterfaceInfo, 'address' | 'cidr'>[]): BlockList {
  const networks = new BlockList();
  for (const { address, cidr } of interfaces) {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    networks.addAddress(address, family);
    const bits = Number(cidr?.split('/')[1] ?? Number.NaN);
    // A tunnel may claim half of the internet for itself.
    if (bits >= networkBitsMin[family]) networks.addSubnet(address, bits, family);
  }
  return networks;
}

/** Part of a message: what somebody inside or a name server said. */
export const printable = (text: string): string => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 100);
