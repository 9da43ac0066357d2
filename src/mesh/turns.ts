import { meshLimits } from './limits.ts';
import { Buckets } from './token-buckets.ts';

/** Turns of each account at a node: a turn is about a millisecond of its processor time. `now` in milliseconds. */
export class Turns extends Buckets {
  constructor() {
    super(meshLimits.turnsPerSecond, meshLimits.turnsBurst);
  }

  /** Whether nothing more is done for an account now. What is refused is not charged, or the others of a network would pay for it. */
  owes(account: string, now: number): boolean {
    return this.left(account, now) < -meshLimits.owedTurnsMax;
  }
}
