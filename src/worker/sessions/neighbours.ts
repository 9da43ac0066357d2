import { sessionTimes } from '../../protocol/sessions/limits.ts';
import { requestCheckpoint } from '../../protocol/sessions/revocation-exchange.ts';
import { every, spread } from '../../protocol/sessions/timing.ts';
import type { LogWitness } from './log-witness.ts';
import type { WorkerPorts } from './ports.ts';
import type { RevocationFeed } from './revocation-feed.ts';

const askedMax = 3;

/**
 * Asks connected peers, in turn, which checkpoint they saw and what they know against the log: a controller that tells each
 * worker another story passes them all by.
 */
export class Neighbours {
  readonly #ports: WorkerPorts;
  readonly #witness: LogWitness;
  readonly #revocations: RevocationFeed;
  #turn = 0;
  #asking = false;

  constructor(ports: WorkerPorts, witness: LogWitness, revocations: RevocationFeed) {
    this.#ports = ports;
    this.#witness = witness;
    this.#revocations = revocations;
  }

  start(): void {
    const { clock, signing } = this.#ports;
    every(clock, sessionTimes.neighboursMs * spread(signing), () => void this.look());
  }

  /** Asks a few of them; resolves when their answers were checked. */
  async look(): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    const { credentials, neighbours } = this.#ports;
    const { controllers } = credentials.charter;
    const others = neighbours()
      .filter((id) => !controllers.includes(id))
      .sort();
    const asked = others.slice(0, askedMax).map((_, n) => others[(this.#turn + n) % others.length] ?? '');
    this.#turn += asked.length;
    // Bootstrap nodes and clients know nothing, and others leave.
    for (const id of asked) await this.#ask(id).catch(() => {});
    this.#asking = false;
  }

  async #ask(id: string): Promise<void> {
    const { note, equivocations } = await requestCheckpoint(this.#ports.dial, { id, addrs: [] });
    if (equivocations.length > 0)
      await this.#revocations.learn({ charters: [], revocations: [], equivocations });
    if (note !== null) await this.#witness.hearFrom(id, note);
  }
}
