import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '../../core/errors.ts';
import { isBusy, isConnectionError } from '../../core/sessions/ask.ts';
import { clientLimits } from '../client/limits.ts';

const { busyMsMax, lostMsMax, pauseMsMax, pauseMsMin } = clientLimits;

/** Codes of a controller that is starting or stopping. */
const passing = new Set(['CONTROLLER_NOT_STARTED', 'CONTROLLER_STOPPED', 'CONTROLLER_LOST']);

const isLost = (error: unknown): boolean => isConnectionError(error) || passing.has(codeOf(error));

export interface Waiting {
  signal: AbortSignal;
  /** Called once in a wait that is long enough to be noticed. */
  tell: (says: string) => void;
}

const unreachable = new Set(['CONTROLLER_UNREACHABLE', 'MESH_UNREACHABLE']);

/** Causes of somebody who is there, and too busy to say why. */
const overloaded = new Set(['MESH_BUSY', 'MESH_RESET']);

/** No connection was made, and no peer was too busy for one. */
const isUnreached = (error: unknown): boolean =>
  unreachable.has(codeOf(error)) && !(error instanceof Error && overloaded.has(codeOf(error.cause)));

/** The question was not read, so that any question may be asked again. */
export const isUnread = (error: unknown): boolean =>
  isBusy(error) || (codeOf(error) === 'CONTROLLER_UNREACHABLE' && !isUnreached(error));

/**
 * Waits between attempts of one thing that may be attempted again: longer each time, by a random factor. While a limit is reached that
 * all commands of a home share, for `busyMsMax`; for a connection that was there and was lost, for `lostMsMax`. Then it throws the error that
 * began the wait.
 */
export class Patience {
  readonly #signal: AbortSignal;
  readonly #tell: (says: string) => void;
  #pauseMs: number = pauseMsMin;
  #lost: { error: unknown; since: number } | undefined;
  #busy: { error: unknown; since: number } | undefined;
  readonly #most: { busyMs: number; lostMs: number };
  #told = false;
  /** There was a connection. */
  #reached: boolean;

  /** `reached`: there was a connection before. */
  constructor(
    { signal, tell }: Waiting,
    reached: boolean,
    { busyMs = busyMsMax, lostMs = lostMsMax }: { busyMs?: number; lostMs?: number } = {},
  ) {
    this.#most = { busyMs, lostMs };
    this.#signal = signal;
    this.#tell = tell;
    this.#reached = reached;
  }

  /** There was an answer. */
  progressed(): void {
    this.#pauseMs = pauseMsMin;
    this.#lost = undefined;
    this.#busy = undefined;
    this.#told = false;
    this.#reached = true;
  }

  /** Resolves when it may be attempted again. Throws the error where it may not. */
  async wait(error: unknown): Promise<void> {
    const busy = isBusy(error);
    if (!isUnreached(error)) this.#reached = true;
    if (this.#signal.aborted || !(busy || (this.#reached && isLost(error)))) throw error;
    const now = performance.now();
    this.#lost = busy ? undefined : (this.#lost ?? { error, since: now });
    if (busy) this.#busy ??= { error, since: now };
    if (busy && this.#busy !== undefined && now - this.#busy.since > this.#most.busyMs)
      throw this.#busy.error;
    // The error that began the wait, not that of the last attempt, but for a controller that says for whom it waits.
    if (this.#lost !== undefined && now - this.#lost.since > this.#most.lostMs)
      throw codeOf(error) === 'CONTROLLER_ASKING' ? error : this.#lost.error;
    if (!this.#told && this.#pauseMs > 1_000) {
      this.#told = true;
      this.#tell(
        busy
          ? 'waiting: too many commands of this home ask the controller at once'
          : 'the connection to the controller was lost: trying again',
      );
    }
    const ms = this.#pauseMs * (0.5 + Math.random());
    this.#pauseMs = Math.min(pauseMsMax, this.#pauseMs * 2);
    // An aborted wait rejects with the error that it waited for.
    await sleep(ms, undefined, { signal: this.#signal }).catch(() => {
      throw error;
    });
  }
}

/** Attempts it until it succeeds, fails with what is not `passing`, or `Patience` has an end. */
export async function patiently<T>(
  waiting: Waiting,
  act: () => Promise<T>,
  passing: (error: unknown) => boolean = () => true,
): Promise<T> {
  const patience = new Patience(waiting, false);
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!passing(error)) throw error;
      await patience.wait(error);
    }
  }
}
