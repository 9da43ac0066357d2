import { setTimeout as sleep } from 'node:timers/promises';
import { meshLimits } from '../mesh/limits.ts';
import { codeOf } from '../protocol/base/errors.ts';
import { isBusy, isConnectionError, isCrowded } from '../protocol/sessions/ask.ts';
import { nodeLimits } from './limits.ts';

const { busyMsMax, lostMsMax, pauseMsMax, pauseMsMin, toldMs } = nodeLimits;

/** Reasons to wait, with the longest wait in all, and the text that tells of it. */
const reasons = {
  /** A limit that commands of a home share. */
  shared: {
    msMax: busyMsMax,
    says: 'waiting: too many commands of this home ask the controller at once',
  },
  crowded: {
    msMax: busyMsMax,
    says: 'waiting: the controller takes no more connections now; trying again for up to ten minutes',
  },
  lost: {
    msMax: lostMsMax,
    says: `the connection to the controller was lost: trying again for up to ${lostMsMax / 1000} s`,
  },
} as const;
type Reason = keyof typeof reasons;

/** Codes of a controller that is starting or stopping. */
const passing = new Set(['CONTROLLER_NOT_STARTED', 'CONTROLLER_STOPPED', 'CONTROLLER_LOST']);

const isLost = (error: unknown): boolean => isConnectionError(error) || passing.has(codeOf(error));

export interface Waiting {
  signal: AbortSignal;
  /** Called once for each reason of a wait that is long enough to be noticed, and where a connection that it told as lost is back. */
  tell?: ((says: string, reason: Reason | 'found') => void) | undefined;
}

const unreachable = new Set(['CONTROLLER_UNREACHABLE', 'MESH_UNREACHABLE']);

/** No connection was made; a stream that is reset at once is one of a peer that is there, and too busy to say why. */
const isUnreached = (error: unknown): boolean =>
  unreachable.has(codeOf(error)) && !(error instanceof Error && codeOf(error.cause) === 'MESH_RESET');

/** It takes no more connections, also where another key answered at another one of its addresses: then a search found no other controller. */
const isWaitedFor = (error: unknown): boolean =>
  isCrowded(error) || (unreachable.has(codeOf(error)) && error instanceof Error && isWaitedFor(error.cause));

/** No controller answers; one that takes no more connections does. */
export const isGone = (error: unknown): boolean => isLost(error) && !isWaitedFor(error);

/** The question was not read, so that any question may be asked again. */
export const isUnread = (error: unknown): boolean =>
  isBusy(error) || isWaitedFor(error) || (codeOf(error) === 'CONTROLLER_UNREACHABLE' && !isUnreached(error));

/**
 * Pauses between attempts of one thing that may be attempted again: longer each time, by a random factor, and for each reason as long
 * in all as `reasons` says, whatever the peer answers. Then it throws the error that began the wait.
 */
export class Patience {
  readonly #signal: AbortSignal;
  readonly #tell: Waiting['tell'];
  #pauseMs: number = pauseMsMin;
  /** For each reason: when the wait for it began, and the error that began it. */
  readonly #began = new Map<Reason, { error: unknown; since: number }>();
  readonly #told = new Set<Reason>();
  /** Whether a connection existed before. */
  #reached: boolean;

  constructor({ signal, tell }: Waiting, reached: boolean) {
    this.#signal = signal;
    this.#tell = tell;
    this.#reached = reached;
  }

  /** Resets all waits: the peer has answered. */
  progressed(): void {
    if (this.#told.has('lost')) this.#tell?.('connected to the controller again', 'found');
    this.#pauseMs = pauseMsMin;
    this.#began.clear();
    this.#told.clear();
    this.#reached = true;
  }

  /** Milliseconds until it may be attempted again. @throws the error where it may not. `random`: at least 0, below 1 */
  pause(error: unknown, now: number, random: number): number {
    if (!isUnreached(error)) this.#reached = true;
    const reason = this.#reasonOf(error);
    if (reason === undefined) throw error;
    // A busy peer is reachable, so the connection is not lost.
    if (reason !== 'lost') this.#began.delete('lost');
    const began = this.#began.get(reason) ?? { error, since: now };
    this.#began.set(reason, began);
    const { msMax, says } = reasons[reason];
    // The error that began the wait, not that of the last attempt, but for a controller that says for whom it waits.
    if (now - began.since > msMax) throw codeOf(error) === 'CONTROLLER_ASKING' ? error : began.error;
    // A full controller keeps the refused connection for `fullMs`; until then an attempt would use it again.
    const least = codeOf(error) === 'MESH_FULL' ? meshLimits.fullMs : 0;
    const ms = least + this.#pauseMs * (0.5 + random);
    this.#pauseMs = Math.min(pauseMsMax, this.#pauseMs * 2);
    if (now + ms - began.since > toldMs && !this.#told.has(reason)) {
      this.#told.add(reason);
      this.#tell?.(says, reason);
    }
    return ms;
  }

  #reasonOf(error: unknown): Reason | undefined {
    if (isBusy(error)) return 'shared';
    if (isWaitedFor(error)) return 'crowded';
    return this.#reached && isLost(error) ? 'lost' : undefined;
  }

  /** Resolves when it may be attempted again. @throws the error where it may not */
  async wait(error: unknown): Promise<void> {
    if (this.#signal.aborted) throw error;
    const ms = this.pause(error, performance.now(), Math.random());
    // An aborted wait rejects with the error that it waited for.
    await sleep(ms, undefined, { signal: this.#signal }).catch(() => {
      throw error;
    });
  }
}

/** Repeats `act` until it succeeds, fails with an error that is not `passing`, or `Patience` gives up. */
export async function patiently<T>(
  waiting: Waiting,
  act: () => Promise<T>,
  passing: (error: unknown) => boolean = () => true,
): Promise<T> {
  const patience = new Patience(waiting, false);
  for (;;) {
    try {
      const done = await act();
      patience.progressed();
      return done;
    } catch (error) {
      if (!passing(error)) throw error;
      await patience.wait(error);
    }
  }
}
