import {
  decodeBundle,
  type Job,
  type Lease,
  type Verdict,
  type Verified,
} from '../src/protocol/documents/index.ts';
import type { Channel, Dial, Documents, ReceiveOptions } from '../src/protocol/sessions/ports.ts';
import {
  decodeMessage,
  encodeMessage,
  type LeaseDown,
  type LeaseUp,
  leaseDownSchema,
  leaseUpSchema,
} from '../src/protocol/wire/messages.ts';
import { protocols } from '../src/protocol/wire/protocols.ts';
import { exited, type Paperwork, treeCid } from './paperwork.ts';
import type { Random } from './random.ts';
import { type Behaviour, isAttack } from './scenario.ts';

/** The worker whose lease streams are tapped: its behaviour, its keys, and who is told of what is seen. */
export interface Tapped {
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly paper: Paperwork;
  readonly documents: Documents;
  readonly random: Random;
  jobOf(lease: Verified<Lease>): Job;
  /** Grants of others, for those who try with them. */
  foreignGrants(): readonly string[];
  after(ms: number, act: () => void): void;
  /** A lease was given on a stream. */
  leased(lease: Verified<Lease>): void;
  /** A co-signature was sent for the draft that was shown on the same stream. */
  cosigned(lease: string, verdict: Verdict): void;
}

/** Sits between a worker's sessions and its lease streams: observes, and lies for dishonest behaviours. The sessions are real. */
export function tapped(dial: Dial, worker: Tapped): Dial {
  return async (peer, protocol, options) => {
    const channel = await dial(peer, protocol, options);
    if (protocol !== protocols.lease) return channel;
    const raw = () => dial(peer, protocol, options);
    return new LeaseTap(channel, worker, raw);
  };
}

class LeaseTap implements Channel {
  readonly #channel: Channel;
  readonly #worker: Tapped;
  /** Opens another lease stream, past the sessions. */
  readonly #open: () => Promise<Channel>;
  #lease: Verified<Lease> | undefined;
  #resumes = false;
  #draft: Promise<Verdict> | undefined;

  constructor(channel: Channel, worker: Tapped, open: () => Promise<Channel>) {
    this.#channel = channel;
    this.#worker = worker;
    this.#open = open;
  }

  get peer(): string {
    return this.#channel.peer;
  }

  get closed(): boolean {
    return this.#channel.closed;
  }

  /** A stream on which a lie was told is not for the next lease. */
  get kept(): Channel['kept'] {
    const { behaviour } = this.#worker;
    return isAttack(behaviour) ? undefined : this.#channel.kept;
  }

  close(): Promise<void> {
    return this.#channel.close();
  }

  abort(reason: Error): void {
    this.#channel.abort(reason);
  }

  async send(bytes: Uint8Array): Promise<void> {
    const { behaviour, random } = this.#worker;
    const message = decodeMessage(bytes, leaseUpSchema, 'a lease message');
    switch (message.kind) {
      case 'claim':
        return this.#say(behaviour === 'forges' ? this.#withForeignGrant(message) : message);
      case 'resume':
        this.#resumes = true;
        return this.#say(message);
      case 'heartbeat':
        // A stale worker lets two in three of its leases lapse, to come back with a receipt all the same.
        return behaviour === 'stale' && random.chance(0.67) ? undefined : this.#say(message);
      case 'receipt':
        return this.#sendReceipt(message);
      case 'cosigned':
        await this.#observeCosignature();
        return this.#say(message);
      default:
        return this.#say(message);
    }
  }

  async receive(options?: ReceiveOptions): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = await this.#channel.receive(options);
      if (bytes === undefined) return undefined;
      const message = decodeMessage(bytes, leaseDownSchema, 'a lease message');
      if (await this.#hears(message)) return bytes;
    }
  }

  /** Takes note of a message; says whether the sessions are to hear it. */
  async #hears(message: LeaseDown): Promise<boolean> {
    const { behaviour, documents } = this.#worker;
    switch (message.kind) {
      case 'lease':
        this.#lease = await documents.message('lease', message.lease);
        this.#worker.leased(this.#lease);
        return true;
      case 'cosign':
        this.#draft = documents.verdict(decodeBundle(message.bundle).verdict).then(({ payload }) => payload);
        return true;
      case 'release':
        if (behaviour === 'stale' && this.#lease !== undefined) await this.#comeBackWith(this.#lease);
        return true;
      case 'error':
        // The answer to a lie is not the answer to the receipt of the sessions.
        return !isAttack(behaviour) || this.#lease === undefined || this.#resumes;
      default:
        return true;
    }
  }

  #say(message: LeaseUp): Promise<void> {
    return this.#channel.send(encodeMessage(message));
  }

  #withForeignGrant(message: Extract<LeaseUp, { kind: 'claim' }>): LeaseUp {
    const { random, foreignGrants } = this.#worker;
    const foreign = foreignGrants();
    return foreign.length > 0 && random.chance(0.5) ? { ...message, grant: random.pick(foreign) } : message;
  }

  async #sendReceipt(message: Extract<LeaseUp, { kind: 'receipt' }>): Promise<void> {
    const { behaviour, random } = this.#worker;
    const lease = this.#lease;
    if (behaviour === 'forges' && lease !== undefined) {
      const facts = random.pick(liesAbout(lease.payload));
      await this.#say({ kind: 'receipt', envelope: await this.#another(lease, facts) });
    }
    await this.#say(message);
    if (behaviour !== 'repeats' || lease === undefined) return;
    await this.#say(message);
    await this.#say({ kind: 'receipt', envelope: await this.#another(lease, {}) });
    await this.#sayElsewhere(message);
  }

  /** A receipt that no build of this worker gave. */
  async #another(lease: Verified<Lease>, facts: object): Promise<string> {
    const { paper, name, jobOf } = this.#worker;
    const job = jobOf(lease);
    const outcome = exited(treeCid(`${job.name} as ${name} would like it`));
    return (await paper.receipt(name, lease, job, outcome, { facts })).raw;
  }

  /** The lease is over, and here is a receipt for it all the same: on its own stream, and later on others. */
  async #comeBackWith(lease: Verified<Lease>): Promise<void> {
    const { random, after } = this.#worker;
    await this.#say({ kind: 'receipt', envelope: await this.#another(lease, {}) }).catch(() => {});
    for (const ms of [0, random.int(1_000, 60_000)]) {
      after(ms, () => {
        void this.#another(lease, {})
          .then((envelope) => this.#sayElsewhere({ kind: 'receipt', envelope }))
          .catch(() => {});
      });
    }
  }

  /** Says something on a stream of its own, whose answers nobody reads. */
  async #sayElsewhere(message: LeaseUp): Promise<void> {
    const channel = await this.#open().catch(() => undefined);
    await channel?.send(encodeMessage(message)).catch(() => {});
  }

  async #observeCosignature(): Promise<void> {
    const verdict = await this.#draft;
    if (verdict !== undefined && this.#lease !== undefined) this.#worker.cosigned(this.#lease.id, verdict);
  }
}

/** False statements that a forger makes about its lease. */
function liesAbout({ slot, fence: { epoch, n } }: Lease): object[] {
  return [
    { slot: slot === 0 ? 1 : 0 },
    { slot: 'trusted' },
    { fence: { epoch, n: n + 1 } },
    { fence: { epoch: epoch + 1, n } },
    { operator: 'owner' },
  ];
}
