import { limits } from '../../../protocol/base/limits.ts';
import { isoTime, secondsOfIso } from '../../../protocol/base/time.ts';
import { isOver } from '../facts.ts';
import { publisherLapsed } from '../members/charter.ts';
import { endLeases } from '../slots.ts';
import { currentRound, drafted, publishedOf, type Run, type Transition } from '../state.ts';
import { decisionOf } from '../verdicts/decision.ts';
import {
  type About,
  aboutResult,
  concludeRefused,
  finish,
  publish,
  recordedWith,
} from '../verdicts/verdict.ts';
import { expireFree } from './absence.ts';
import { endRun } from './cancel.ts';
import { redraft, reveal, withoutResult } from './settle.ts';
import { isRefused } from './trusted-slot.ts';

/** The result that N operators agree on and that is pinned, where no verdict was published while signatures were waited for. */
function agreedUnpublished(transition: Transition, run: Run): About {
  if ('draft' in run.phase)
    return run.phase.draft.level === 'trusted' ? aboutResult(run, run.phase.draft.result) : null;
  // The trusted worker made room for another one.
  if (run.phase.kind !== 'awaiting-trusted') return null;
  const { level, result } = decisionOf(transition, run);
  return level === 'agreed' ? recordedWith(run, result) : null;
}

/** The request expired: an agreed verdict stands, anything less ends without a result. */
export function expire(transition: Transition, run: Run): void {
  if (isOver(run)) return;
  if (run.phase.kind === 'waiting')
    return endRun(transition, run, 'the request ended before what the job reads was there');
  if (run.phase.kind === 'answering')
    return endRun(transition, run, 'the request ended before the artifact of the earlier build was there');
  if (run.phase.kind === 'answer-cosigning')
    return endRun(transition, run, 'the request ended before a trusted worker had signed the answer');
  const round = currentRound(run);
  if (round !== undefined && !round.revealed) {
    endLeases(transition, run);
    expireFree(round);
    reveal(transition, run, round);
  }
  if (isRefused(transition.state, run)) return concludeRefused(transition, run);
  const published = publishedOf(run);
  // Under the rules before an answer was published also where nobody takes it any more.
  const isReuse = run.reused !== null && transition.rules >= 3;
  if (published === null) {
    const lapsed = isReuse ? publisherLapsed(transition, run) : undefined;
    if (lapsed !== undefined) return endRun(transition, run, lapsed);
    const agreed = agreedUnpublished(transition, run);
    if (agreed !== null) return finish(transition, run, publish(transition, run, 'agreed', agreed));
    return withoutResult(transition, run);
  }
  transition.tell(run, {
    kind: 'unconfirmed',
    round: currentRound(run)?.n ?? 0,
    says:
      run.phase.kind === 'witnessing'
        ? 'the request ended before enough witnesses had signed the log'
        : 'the request ended before a trusted worker had signed',
  });
  // The draft was not signed in time; the agreed verdict is published again, with the receipts that came since.
  const again = 'draft' in run.phase && !isReuse;
  const about = aboutResult(run, published.verdict.result);
  finish(transition, run, again ? publish(transition, run, 'agreed', about) : published);
}

/** Ends a run with a round of a clock that was ahead, since no verdict on it would hold; makes such a draft again. */
export function endAheadOfClock(transition: Transition, run: Run): void {
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
