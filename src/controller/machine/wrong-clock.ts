import { limits } from '../../protocol/base/limits.ts';
import { isoTime, secondsOfIso } from '../../protocol/base/time.ts';
import { endRun } from './rounds/cancel.ts';
import { redraft } from './rounds/settle.ts';
import { drafted, type Run, type Transition } from './state.ts';

/**
 * After a start whose clock is right again, and was ahead before. A run with a round of later ends: a verdict must not be
 * earlier than a round of its evidence, and a round cannot be left out. A draft of later is made again, for whoever co-signs it
 * has another clock.
 */
export function giveUpAhead(transition: Transition, run: Run): void {
  const latest = Math.floor(transition.now / 1000) + limits.clockSkewSeconds;
  const ahead = run.rounds.find(({ offer }) => offer.iat > latest);
  if (ahead !== undefined) {
    const opened = isoTime(ahead.offer.iat * 1000);
    const reason = `round ${ahead.n} was opened under a clock that was ahead, at ${opened}: no verdict on it would hold (VERDICT_NOT_IN_TIME)`;
    return endRun(transition, run, reason);
  }
  const draft = drafted(run);
  if (draft !== null && secondsOfIso(draft.payload.predicate.timeVerified) > latest) redraft(transition, run);
}
