/** A slot of a round that was given to a worker, as numbers. */
export interface Given {
  at: number;
  slot: number;
  worker: number;
  operator: number;
}

/** The controller's side of one round. Times are whole milliseconds since the round was opened, and never go back. */
export interface Deciding {
  /** Everything that is due until then happens. */
  until(at: number): void | Promise<void>;
  /** A worker claims, or passes. */
  answer(at: number, worker: number, pass: boolean): void | Promise<void>;
  /** The worker that has this slot is gone, and its connection with it. */
  leave(at: number, given: Given): void | Promise<void>;
  /** All slots that were given so far, in order. */
  readonly given: readonly Given[];
  /** When the controller told all that it has a slot free for them. */
  readonly told: readonly number[];
  /** Whether it says so now, to whoever polls its feed. */
  isFree(): boolean;
}
