import { HostGate, type HostLimits } from '../../egress/index.ts';
import type { Home } from '../../node/membership/home.ts';
import {
  type KnownHosts,
  knownHosts,
  recordShown,
  rememberHosts,
} from '../../node/membership/shown-hosts.ts';
import type { Tell } from '../../node/node-events.ts';
import { type AllowedHosts, allowsHost } from '../../protocol/base/host-entry.ts';
import { oneByOne } from '../../protocol/base/one-by-one.ts';
import { hostsNamed } from '../../protocol/judge/hosts.ts';
import type { Credentials, Membership } from '../../protocol/sessions/credentials.ts';
import type { Worker } from '../machine/machine.ts';
import { workerNodeLimits } from './limits.ts';

interface Options {
  home: Pick<Home, 'dir'>;
  membership: Membership;
  /** The list of worker.toml, in place of what was shown. */
  listed: AllowedHosts | undefined;
  limits: HostLimits;
  tell: Tell;
}

/** Hosts that the operator lets a worker connect to, and the gate that everything which connects for a project passes. */
export class HostList {
  readonly gate: HostGate;
  readonly #options: Options;
  #known: KnownHosts;
  #spent: readonly string[] = [];
  #changed: () => void = () => {};
  readonly #inTurn = oneByOne();

  private constructor(options: Options, known: KnownHosts) {
    this.#options = options;
    this.#known = known;
    this.gate = new HostGate({
      limits: options.limits,
      allows: ({ host, port }) => this.allows(`${host.includes(':') ? `[${host}]` : host}:${port}`),
      onAddress: (host, address, before) => {
        const says = `${host} has another address, ${address}; before: ${before.join(', ')}`;
        options.tell('warn', 'host-address', says, { host, address, before });
      },
      onSpent: () => this.#look(),
    });
  }

  /** Calls `changed` when hosts have reached a limit, or may be connected to again. Returns how to end that. */
  watch(changed: () => void): () => void {
    this.#changed = changed;
    const timer = setInterval(() => this.#look(), workerNodeLimits.hostsLookMs);
    timer.unref();
    return () => clearInterval(timer);
  }

  #look(): void {
    const { spent } = this.gate;
    if (String(spent) === String(this.#spent)) return;
    this.#spent = spent;
    this.#changed();
  }

  /** Hosts that have reached a limit, as far as jobs are not claimed for it. */
  get spent(): readonly string[] {
    return this.#spent;
  }

  /** A home of before allows the hosts that its project names now. @throws `HOME_…`, `CHARTER_ISSUER_MISMATCH`, `DOC_…`. */
  static async open(options: Options): Promise<HostList> {
    const { home, membership } = options;
    const known = (await knownHosts(home, membership.project)) ?? (await recordShown(home, membership));
    return new HostList(options, known);
  }

  get list(): AllowedHosts {
    const { listed } = this.#options;
    const { shown, allowed } = this.#known;
    return listed === 'any' ? 'any' : [...new Set([...(listed ?? shown), ...allowed])];
  }

  /** Hosts that are not allowed: the project names them now, or a job that was passed on needs them. */
  pending({ charter, membership }: Credentials, machine: Worker): string[] {
    const named = hostsNamed(charter, membership.feed);
    return [...new Set([...named, ...machine.hostsWanted()])].filter((host) => !this.allows(host));
  }

  allows(entry: string): boolean {
    return allowsHost(this.list, entry);
  }

  /** Kept for the next starts. @throws `HOME_UNWRITABLE`. */
  allow(entry: string): Promise<void> {
    return this.#change(({ shown, allowed }) => ({
      shown,
      allowed: [...new Set([...allowed, entry.toLowerCase()])],
    }));
  }

  /** A host that worker.toml lists stays allowed. @throws `HOME_UNWRITABLE`. */
  withdraw(entry: string): Promise<void> {
    const rest = (list: readonly string[]) => list.filter((one) => one !== entry.toLowerCase());
    return this.#change(({ shown, allowed }) => ({ shown: rest(shown), allowed: rest(allowed) }));
  }

  /** One change after the other: each is of what the one before it left. */
  #change(change: (known: KnownHosts) => KnownHosts): Promise<void> {
    const { home, membership } = this.#options;
    return this.#inTurn(async () => {
      const known = change(this.#known);
      await rememberHosts(home, membership.project, known);
      this.#known = known;
    });
  }
}
