import { escapeLine } from '../../protocol/base/escape.ts';
import type { Charter } from '../../protocol/documents/index.ts';
import { hostsNamed } from '../../protocol/judge/hosts.ts';
import type { WorkerPorts } from './ports.ts';

/** Hosts that the project names and the operator has not allowed: each is told once, when a charter or the controller first names it. */
export class NamedHosts {
  readonly #ports: Pick<WorkerPorts, 'credentials' | 'machine' | 'tell'>;
  #seen: { charter: Charter; feed: string[] | undefined } | undefined;
  #told = new Set<string>();

  constructor(ports: Pick<WorkerPorts, 'credentials' | 'machine' | 'tell'>) {
    this.#ports = ports;
  }

  /** To be called when charter or membership may have changed. */
  look(): void {
    const { credentials, machine, tell } = this.#ports;
    const { charter, membership } = credentials;
    const { feed } = membership;
    if (this.#seen?.charter === charter && this.#seen.feed === feed) return;
    this.#seen = { charter, feed };
    const refused = machine.refused(hostsNamed(charter, feed));
    for (const host of refused.filter((one) => !this.#told.has(one))) {
      const name = escapeLine(host, 200);
      const says = `the project names ${name}, to which this worker does not connect; to allow it: quorate worker allow ${name}`;
      tell('warn', 'host-named', says, { host, epoch: charter.epoch });
    }
    // One that is named no more is told again when it comes back.
    this.#told = new Set(refused);
  }
}
