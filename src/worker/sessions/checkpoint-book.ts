import { z } from 'zod';
import { limits } from '../../protocol/base/limits.ts';
import { count, peerId, sha256 } from '../../protocol/documents/base.ts';
import { type Ack, leaves, type Verified } from '../../protocol/documents/index.ts';
import type { HeldLease } from '../../protocol/sessions/revocation-exchange.ts';
import { transparencyLimits, verifyConsistency } from '../../protocol/transparency/index.ts';
import type { LoggedRound } from '../machine/state.ts';
import { workerSessionLimits } from './limits.ts';

/** A checkpoint that was found consistent with those before. */
const seenSchema = z.strictObject({
  size: count,
  root: sha256,
  /** The note with the line of the log, and known lines of trusted workers. */
  note: z.string().max(transparencyLimits.checkpointCharsMax),
  /** When it was kept, ms since the epoch. Absent of versions before this was written down. */
  at: count.optional(),
});
export type Seen = z.infer<typeof seenSchema>;

/** The controller's promise that a receipt is in the log, or the round that it is of: whoever acknowledged the one has logged the other. */
const promiseSchema = z.strictObject({
  /** Compact JWS. */
  ack: z.string().max(limits.documentBytesMax),
  index: count,
  leaf: z.string().max(400),
  /** When it came, ms since the epoch. */
  at: count,
  /** The lease and its offer, compact JWS, for a controller that starts from an older copy. Absent of versions before this was kept. */
  lease: z.string().max(workerSessionLimits.heldCharsMax).optional(),
  offer: z.string().max(workerSessionLimits.heldCharsMax).optional(),
});
export type AckPromise = z.infer<typeof promiseSchema>;

/** The leaves that an ack promises, at which index. `at`: when it came, ms since the epoch. */
export function promisesOf(
  ack: Verified<Ack>,
  round: LoggedRound,
  at: number,
  held: Omit<HeldLease, 'ack'> | undefined,
): AckPromise[] {
  const { receipt, index } = ack.payload;
  const { offer, job, request } = round;
  return [
    { ack: ack.raw, at, index, leaf: leaves.receipt(receipt, offer), ...kept(held) },
    { ack: ack.raw, at, index: round.index, leaf: leaves.offer(offer, job, request) },
  ];
}

function kept(held: Omit<HeldLease, 'ack'> | undefined): Pick<AckPromise, 'lease' | 'offer'> {
  const fits = (raw: string | undefined): raw is string =>
    raw !== undefined && raw.length <= workerSessionLimits.heldCharsMax;
  const { lease, offer } = held ?? {};
  return { ...(fits(lease) && { lease }), ...(fits(offer) && { offer }) };
}

/** Leases with their acks whose receipts were not found under a checkpoint yet. The machine forgets a lease once its result is published. */
export const leasesIn = (promises: readonly AckPromise[]): HeldLease[] =>
  promises.flatMap(({ ack, lease, offer }) =>
    lease === undefined ? [] : [{ lease, ack, ...(offer !== undefined && { offer }) }],
  );

export const witnessStateSchema = z.strictObject({
  v: z.literal(1),
  /** By log key, the latest last. The checkpoints of each in the order of their sizes. */
  logs: z
    .array(z.strictObject({ log: peerId, seen: z.array(seenSchema).max(workerSessionLimits.checkpointsMax) }))
    .max(workerSessionLimits.logKeysMax),
  promises: z.array(promiseSchema).max(workerSessionLimits.promisesMax),
});
export type WitnessState = z.infer<typeof witnessStateSchema>;

export interface WitnessFile {
  /** Undefined where there is none. @throws `HOME_UNREADABLE`, `HOME_DAMAGED`. */
  load(): Promise<WitnessState | undefined>;
  /** Replaces it; resolves when it is on disk. @throws `HOME_UNWRITABLE`. */
  save(state: WitnessState): Promise<void>;
}

/** The wall clock, and one that nobody sets, in ms. */
export interface Times {
  now: number;
  steady: number;
}

/**
 * Makes room for another checkpoint. One that is not kept is compared with the newest by a proof; those that are kept say how old a smaller one is. So
 * one goes that was kept within a minute of both beside it, else the smallest: however many come, they reach back half an hour.
 */
function withRoom(seen: readonly Seen[]): readonly Seen[] {
  const { checkpointsMax, checkpointsRecent, checkpointsApartMs } = workerSessionLimits;
  if (seen.length < checkpointsMax) return seen;
  const at = (n: number): number => seen[n]?.at ?? 0;
  const isClose = (_: Seen, n: number): boolean =>
    n > 0 && n < seen.length - checkpointsRecent && at(n + 1) - at(n - 1) < checkpointsApartMs;
  return seen.toSpliced(Math.max(0, seen.findIndex(isClose)), 1);
}

/**
 * The checkpoints of a project's log that a worker knows to be consistent with each other, and the promises that it waits
 * for. What is added is on disk when it is made; nothing is signed that is not.
 */
export class CheckpointBook {
  readonly #file: WitnessFile;
  #state: WitnessState | undefined;
  /** By log key and size: the steady time at which one was kept in this life. A wall clock may be set. */
  readonly #keptAt = new Map<string, number>();

  constructor(file: WitnessFile) {
    this.#file = file;
  }

  /** @throws those of the file. */
  async load(): Promise<void> {
    this.#state ??= (await this.#file.load()) ?? { v: 1, logs: [], promises: [] };
  }

  get #loaded(): WitnessState {
    return this.#state ?? { v: 1, logs: [], promises: [] };
  }

  #of(log: string): readonly Seen[] {
    return this.#loaded.logs.find((one) => one.log === log)?.seen ?? [];
  }

  /** The largest; undefined before the first one. */
  newest(log: string): Seen | undefined {
    return this.#of(log).at(-1);
  }

  at(log: string, size: number): Seen | undefined {
    return this.#of(log).find((one) => one.size === size);
  }

  largest(log: string, size: number): Seen | undefined {
    return this.#of(log).findLast((one) => one.size <= size);
  }

  /** Time in ms since which a checkpoint larger than `size` is known; 0 where none is. */
  outdatedFor(log: string, size: number, { now, steady }: Times): number {
    const ages = this.#of(log)
      .filter((one) => one.size > size)
      .map(({ size: larger, at = now }) => {
        const kept = this.#keptAt.get(`${log} ${larger}`);
        return kept === undefined ? now - at : steady - kept;
      });
    return Math.max(0, ...ages);
  }

  get promises(): readonly AckPromise[] {
    return this.#loaded.promises;
  }

  /** Keeps a checkpoint that is consistent with all others of this key. @throws those of the file. */
  async keep(log: string, seen: Omit<Seen, 'at'>, { now, steady }: Times): Promise<void> {
    const { logs } = this.#loaded;
    const before = withRoom(this.#of(log));
    const all = [...before, { ...seen, at: now }].sort((a, b) => a.size - b.size);
    const others = logs.filter((one) => one.log !== log);
    await this.#save({
      ...this.#loaded,
      logs: [...others, { log, seen: all }].slice(-workerSessionLimits.logKeysMax),
    });
    this.#keptAt.set(`${log} ${seen.size}`, steady);
    for (const key of this.#keptAt.keys()) {
      const [of = '', size] = key.split(' ');
      if (this.at(of, Number(size)) === undefined) this.#keptAt.delete(key);
    }
  }

  /** Replaces one that is kept, in memory: on disk with the next change. */
  replace(log: string, seen: Seen): void {
    const logs = this.#loaded.logs.map((one) =>
      one.log === log
        ? { log, seen: one.seen.map((before) => (before.size === seen.size ? seen : before)) }
        : one,
    );
    this.#state = { ...this.#loaded, logs };
  }

  /** Adds promises of an ack, once. Returns those that were dropped for them, where there were too many. @throws those of the file. */
  async promise(added: readonly AckPromise[]): Promise<readonly AckPromise[]> {
    const { promises } = this.#loaded;
    if (promises.some((one) => added.some(({ ack }) => ack === one.ack))) return [];
    const over = Math.max(0, promises.length + added.length - workerSessionLimits.promisesMax);
    await this.#save({ ...this.#loaded, promises: [...promises.slice(over), ...added] });
    return promises.slice(0, over);
  }

  /** Removes promises that were kept, or given up. On disk with the next change: one that is still there is looked for once more. */
  settle(done: readonly AckPromise[]): void {
    if (done.length === 0) return;
    const promises = this.#loaded.promises.filter((one) => !done.includes(one));
    this.#state = { ...this.#loaded, promises };
  }

  async #save(state: WitnessState): Promise<void> {
    await this.#file.save(state);
    this.#state = state;
  }
}

/** Whether the log of one checkpoint goes on in that of another. */
export function goesOn(smaller: Seen, larger: Seen, path: readonly string[]): boolean {
  const [from, to] = [smaller, larger];
  return verifyConsistency({ from: from.size, fromRoot: from.root, to: to.size, toRoot: to.root, path });
}
