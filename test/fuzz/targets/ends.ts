import fc from 'fast-check';
import { allCheckers } from '../../../simulations/checkers/index.ts';
import type { Line, Node, OnLine } from '../../../simulations/network.ts';
import type { Patches } from '../../../simulations/patches.ts';
import { Random } from '../../../simulations/random.ts';
import { calm } from '../../../simulations/rates.ts';
import type { Operator, Scenario, Work } from '../../../simulations/scenario.ts';
import { simulate } from '../../../simulations/simulate.ts';
import { codeOf } from '../../../src/protocol/base/errors.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import type { Channel } from '../../../src/protocol/sessions/ports.ts';
import { protocols } from '../../../src/protocol/wire/protocols.ts';
import { type AnyTarget, Broken, define } from '../target.ts';
import { changesOf } from './sessions.ts';
import { kinds } from './wire.ts';

/** Of the messages on their way, one in so many is changed: of the few of stores more. */
const oneInOf = (protocol: string): number => (protocol === protocols.pin ? 2 : 6);
/** Longer ones are left alone: their fields are those of the short ones, and each costs as much again. */
const changedCharsMax = 100_000;
/** Messages of the table that are sent to each end, in one run. */
const visitsPerEnd = 10;

const operator = (name: string): Operator => ({
  name,
  hosts: [name],
  behaviour: 'honest',
  joinsLate: name === 'eve',
});
const work = (name: string, submitAfterMs: number, more: Partial<Work> = {}): Work => ({
  name,
  nature: 'reproducible',
  portable: true,
  submitAfterMs,
  cancelAfterMs: undefined,
  policy: { agree: 2, of: 3, cosign: 'required', rounds: 3 },
  expiresSeconds: 900,
  ...more,
});
/** Each protocol is spoken: an identity provider and stores apart, an answer from an earlier build, and a job that reads another's artifact. */
const scenario: Partial<Scenario> = {
  attackerShare: 'nobody',
  trusted: 'there',
  second: false,
  revokes: undefined,
  charters: [],
  idp: 'apart',
  grantSeconds: 150,
  faultsMs: 240_000,
  operators: ['ada', 'bob', 'cy', 'dan', 'eve'].map(operator),
  stores: { behaviours: ['keeps', 'keeps'], copies: 1 },
  works: [
    work('job0', 10_000),
    work('job1', 20_000, { needs: { job0: 'agreed' } }),
    work('again', 150_000, { repeats: 'job0' }),
  ],
};

/** Ends that serve, by protocol: who opens the stream to whom, and what it may say. */
export type End = [protocol: string, from: keyof Ends, to: keyof Ends, table: string];
type Ends = Parameters<NonNullable<Patches['visits']>>[0];
export const served: readonly End[] = [
  [protocols.feed, 'worker', 'controller', 'feed-up'],
  [protocols.lease, 'worker', 'controller', 'lease-up'],
  [protocols.cosign, 'worker', 'controller', 'cosign-up'],
  [protocols.log, 'worker', 'controller', 'log-up'],
  [protocols.api, 'worker', 'controller', 'api-up'],
  [protocols.revocations, 'worker', 'controller', 'revocations-up'],
  [protocols.bundle, 'worker', 'controller', 'bundle-up'],
  [protocols.idp, 'controller', 'idp', 'idp-up'],
  [protocols.pin, 'controller', 'store', 'pin-up'],
  [protocols.bundle, 'controller', 'worker', 'bundle-up'],
];

/** Changes messages, and fails where an end then breaks without a code, or reports that it did. */
class Watch implements Line {
  /** Protocol, direction and kind of what was changed. */
  readonly changed = new Set<string>();
  found: string | undefined;
  readonly #random: Random;
  /** The last changes, for a finding. */
  readonly #last: string[] = [];

  /** Of the table: where the next visit goes on. */
  #at: number;

  constructor(seed: number) {
    this.#random = new Random(`line ${seed}`);
    this.#at = seed * visitsPerEnd;
  }

  carries(message: Uint8Array, on: OnLine): Uint8Array {
    const text = fromUtf8(message);
    if (text.includes('"code":"INTERNAL"')) this.#find(`it is answered that an end failed: ${text}`);
    if (text.length > changedCharsMax || this.#random.int(1, oneInOf(on.protocol)) > 1) return message;
    return toUtf8(this.change(text, on));
  }

  /** One field of a message missing, doubled, or of another type. */
  change(text: string, { protocol, up }: OnLine): string {
    const message: { kind?: string } = JSON.parse(text);
    const changed = this.#random.pick(changesOf(message));
    const what = `${protocol} ${up ? 'up' : 'down'} ${message.kind ?? ''}`.trim();
    this.changed.add(what);
    this.#last.push(`${what}: ${changed.slice(0, 200)}`);
    if (this.#last.length > 4) this.#last.shift();
    return changed;
  }

  aborted(reason: unknown, { protocol }: OnLine): void {
    if (codeOf(reason) !== 'INTERNAL' || / is not served$|nothing else$/.test(String(reason))) return;
    this.#find(`an end of ${protocol} broke off: ${reason instanceof Error ? reason.stack : String(reason)}`);
  }

  told(code: unknown, says: string): void {
    if (code === 'INTERNAL' || /Cannot read prop|is not a function|is not iterable/.test(says))
      this.#find(`it is told: ${says}`);
  }

  #find(what: string): void {
    this.found ??= `${what}\nafter ${this.#last.join('\n      ')}`;
  }

  /** Sends each served end messages of the table, changed, and reads until it is done. */
  async visit(ends: Ends, dial: (from: Node, to: Node, protocol: string) => Promise<Channel>): Promise<void> {
    for (const [protocol, from, to, table] of served) {
      const [near, far] = [ends[from], ends[to]];
      if (near === undefined || far === undefined) throw new Broken(`there is no ${from} or ${to}`);
      const valid = kinds.find(([name]) => name === table)?.[2] ?? [];
      for (let n = 0; n < visitsPerEnd; n++) {
        const message = valid[(this.#at + n) % valid.length];
        const channel = await dial(near, far, protocol).catch(() => undefined);
        await channel
          ?.send(toUtf8(this.change(JSON.stringify(message), { protocol, up: true })))
          .catch(() => {});
        await channel?.close();
        const { life } = far;
        if (channel === undefined) continue;
        await this.#drain(channel, protocol, () => far.up && far.life === life);
      }
    }
  }

  /** Until the end closes or breaks off; it has two minutes of its time. */
  async #drain(channel: Channel, protocol: string, isUp: () => boolean): Promise<void> {
    for (let n = 0; n < 100; n++) {
      try {
        if ((await channel.receive({ timeoutMs: 120_000 })) === undefined) return;
      } catch (error) {
        if (codeOf(error) === 'MESH_TIMEOUT' && isUp())
          this.#find(`an end of ${protocol} neither answers nor closes`);
        return;
      }
    }
    this.#find(`an end of ${protocol} answers without end`);
  }
}

/**
 * Runs a whole project in which fields of messages of all protocols, in both directions, are missing, doubled and of other types. Returns
 * what was changed. Each end takes that or refuses it with a code; and once it is over, all is as it should be.
 */
export async function tampered(seed: number): Promise<ReadonlySet<string>> {
  const watch = new Watch(seed);
  const { failure, trace } = await simulate(seed, {
    once: true,
    scenario,
    rates: calm,
    checkers: () => allCheckers(['acks', 'lease ends', 'known leases', 'replay', 'finished', 'liveness']),
    patches: () => ({
      line: watch,
      visits: (...all) => watch.visit(...all),
      workerPorts: (ports) => ({
        ...ports,
        tell: (level, kind, says, data) => {
          watch.told(data?.code, says);
          ports.tell(level, kind, says, data);
        },
      }),
    }),
  });
  for (const line of trace) watch.told(undefined, line);
  if (watch.found !== undefined) throw new Broken(watch.found);
  if (failure !== null) throw new Broken(`${failure.invariant}: ${failure.message}`);
  return watch.changed;
}

export const targets: readonly AnyTarget[] = [
  define<number>({
    name: 'sessions-ends',
    seeds: async () => [1],
    arbitrary: () => fc.integer({ min: 1, max: 1_000_000 }),
    run: tampered,
    // A whole project.
    msMax: 20_000,
  }),
];
