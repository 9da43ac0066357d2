import { clientOf } from '../protocol/base/client-address.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import { allowCommand } from '../protocol/base/shell-word.ts';
import { canonical } from './addresses.ts';
import { egressLimits } from './limits.ts';
import { printable, type Target } from './rules.ts';

/** Connections and bytes to one host, and to one address (see `clientOf`), within an hour. */
export interface HostLimits {
  connections: number;
  bytes: number;
}

export interface HostGateOptions {
  allows(target: Target): boolean;
  limits: HostLimits;
  /** A host that was connected to before has this address as well. */
  onAddress?: ((host: string, address: string, before: readonly string[]) => void) | undefined;
  /** A limit was reached: see `spent`. */
  onSpent?: (() => void) | undefined;
  /** Monotonic, in milliseconds. */
  now?: () => number;
}

/** Connections to one host since the start, and bytes from and to it. */
export interface HostTraffic {
  host: string;
  addresses: string[];
  connections: number;
  open: number;
  receivedBytes: number;
  sentBytes: number;
}

export interface Passage {
  /** Counts bytes; returns the reason to end the connection, once a limit is exceeded. */
  moved(direction: 'receivedBytes' | 'sentBytes', bytes: number): QuorateError | undefined;
  close(): void;
}

const minuteMs = 60_000;
const windowMinutes = 60;

/** Sums over the last hour, by the minute. */
class Hour {
  #minutes: { minute: number; connections: number; bytes: number }[] = [];
  open = 0;

  add(now: number, connections: number, bytes: number): void {
    const minute = Math.floor(now / minuteMs);
    let last = this.#minutes.at(-1);
    if (last?.minute !== minute) {
      last = { minute, connections: 0, bytes: 0 };
      this.#minutes.push(last);
    }
    last.connections += connections;
    last.bytes += bytes;
  }

  sum(now: number): HostLimits {
    const oldest = Math.floor(now / minuteMs) - windowMinutes;
    this.#minutes = this.#minutes.filter(({ minute }) => minute > oldest);
    return {
      connections: this.#minutes.reduce((sum, { connections }) => sum + connections, 0),
      bytes: this.#minutes.reduce((sum, { bytes }) => sum + bytes, 0),
    };
  }
}

interface Host {
  traffic: HostTraffic;
  told: number;
}

/** Hosts that a worker's operator allows, with limits by host and address. One per worker: git, builds and HTTP feed share it. */
export class HostGate {
  readonly #options: HostGateOptions;
  readonly #now: () => number;
  /** By host, and by address. */
  readonly #hours = new Map<string, Hour>();
  readonly #hosts = new Map<string, Host>();

  constructor(options: HostGateOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Before the name is resolved. @throws EGRESS_HOST_NOT_ALLOWED, EGRESS_HOST_LIMIT */
  check(target: Target): void {
    const { host, port } = target;
    if (!this.#options.allows(target))
      throw new QuorateError(
        'EGRESS_HOST_NOT_ALLOWED',
        `the operator of this worker has not allowed connections to ${printable(host)}:${port}`,
        { hint: `The operator allows it with: ${allowCommand(`${printable(host)}:${port}`)}` },
      );
    this.#checkLimits(canonical(host));
  }

  /** Counts a connection, before it is opened. @throws EGRESS_HOST_LIMIT */
  open({ host: named }: Target, address: string): Passage {
    const host = canonical(named);
    // Of IPv6 the /64 prefix: one server may have all addresses of it.
    const counted = new Set([host, clientOf(canonical(address))]);
    for (const key of counted) this.#checkLimits(key);
    const hours = this.#hoursOf(counted);
    for (const hour of hours) {
      hour.add(this.#now(), 1, 0);
      hour.open += 1;
    }
    const { traffic } = this.#hostOf(host, address);
    traffic.connections += 1;
    traffic.open += 1;
    this.#tellSpent(counted);
    let isOpen = true;
    return {
      moved: (direction, bytes) => {
        traffic[direction] += bytes;
        for (const hour of hours) hour.add(this.#now(), 0, bytes);
        return this.#exceeded(counted);
      },
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        traffic.open -= 1;
        for (const hour of hours) hour.open -= 1;
      },
    };
  }

  /** Hosts and addresses to which nothing connects until less of the last hour counts. */
  get spent(): string[] {
    return [...this.#hours.keys()].filter((key) => this.#spentLimit(key) !== undefined);
  }

  get traffic(): HostTraffic[] {
    return [...this.#hosts.values()].map(({ traffic }) => structuredClone(traffic));
  }

  #exceeded(keys: ReadonlySet<string>): QuorateError | undefined {
    const { bytes } = this.#options.limits;
    const key = [...keys].find((one) => (this.#hours.get(one)?.sum(this.#now()).bytes ?? 0) > bytes);
    if (key === undefined) return undefined;
    this.#tellSpent(keys);
    return limit(key, `${sizeText(bytes)} within an hour`);
  }

  #tellSpent(keys: ReadonlySet<string>): void {
    if ([...keys].some((key) => this.#spentLimit(key) !== undefined)) this.#options.onSpent?.();
  }

  #checkLimits(key: string): void {
    const most = this.#spentLimit(key);
    if (most !== undefined) throw limit(key, most);
    if ((this.#hours.get(key)?.open ?? 0) >= egressLimits.hostOpenMax)
      throw limit(key, `${egressLimits.hostOpenMax} open connections`);
  }

  #spentLimit(key: string): string | undefined {
    const { connections, bytes } = this.#options.limits;
    const sum = this.#hours.get(key)?.sum(this.#now());
    if (sum === undefined) return undefined;
    if (sum.connections >= connections) return `${connections} connections within an hour`;
    return sum.bytes > bytes ? `${sizeText(bytes)} within an hour` : undefined;
  }

  /** @throws EGRESS_HOST_LIMIT where there is no room for those that are new */
  #hoursOf(keys: ReadonlySet<string>): Hour[] {
    const fresh = [...keys].filter((key) => !this.#hours.has(key));
    this.#makeRoom(fresh.length);
    for (const key of fresh) this.#hours.set(key, new Hour());
    return [...keys].flatMap((key) => this.#hours.get(key) ?? []);
  }

  /** Forgets hosts and addresses that no limit counts any more. @throws EGRESS_HOST_LIMIT where too many are left */
  #makeRoom(count: number): void {
    const now = this.#now();
    for (const [key, hour] of this.#hours) {
      const { connections, bytes } = hour.sum(now);
      if (hour.open === 0 && connections === 0 && bytes === 0) this.#hours.delete(key);
    }
    if (this.#hours.size + count > egressLimits.hostsCountedMax)
      throw limit('further hosts', `${egressLimits.hostsCountedMax} hosts and addresses within an hour`);
  }

  #hostOf(host: string, address: string): Host {
    let found = this.#hosts.get(host);
    if (found === undefined) {
      for (const [oldest, { traffic }] of this.#hosts) {
        if (this.#hosts.size < egressLimits.hostsShownMax) break;
        if (traffic.open === 0) this.#hosts.delete(oldest);
      }
      const traffic = { host, addresses: [], connections: 0, open: 0, receivedBytes: 0, sentBytes: 0 };
      found = { traffic, told: 0 };
      this.#hosts.set(host, found);
    }
    this.#saw(found, address);
    return found;
  }

  #saw(found: Host, address: string): void {
    const { host, addresses } = found.traffic;
    if (addresses.includes(address)) return;
    const before = [...addresses];
    addresses.push(address);
    if (addresses.length > egressLimits.hostAddressesShownMax) addresses.shift();
    if (before.length === 0 || found.told >= egressLimits.hostAddressesToldMax) return;
    found.told += 1;
    this.#options.onAddress?.(host, address, before);
  }
}

const limit = (key: string, most: string): QuorateError =>
  new QuorateError(
    'EGRESS_HOST_LIMIT',
    `${printable(key)}: this worker has made the most that its operator allows, ${most}`,
    {
      hint: 'It connects again when the hour is over. The operator sets the limits in worker.toml, under [network].',
    },
  );
