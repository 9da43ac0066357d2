import { isWitnessed } from '../../protocol/trust/witnesses.ts';
import { revocationsIn } from './members/revocations.ts';
import { publisherLapsed } from './refusal.ts';
import { type EventOf, type Published, type Run, type Transition, tell, unchanged } from './state.ts';
import { aboutResult, announce, finish, publish } from './verdicts/verdict.ts';
import { countedOf, countWitnesses, missing } from './verdicts/witnesses.ts';

/**
 * Witnesses signed a checkpoint that a verdict is under. With as many as it needs the verdict is published; with fewer, what
 * was agreed on is, once, and the verdict goes on waiting. Errors: `GRANT_…`.
 */
export function witnessed(transition: Transition, run: Run, event: EventOf<'witnessed'>): void {
  const { state } = transition;
  if (run.phase.kind !== 'witnessing' || run.phase.draft.id !== event.verdict) return unchanged(transition);
  const { draft } = run.phase;
  const { log, root } = event;
  if (log.size < draft.size || log.size > state.log.size || state.log.root(log.size) !== root)
    return unchanged(transition);
  const by = countWitnesses(run, draft, log, revocationsIn(state, draft.charter));
  if (isWitnessed(by, run.request.payload.policy, draft.charter.payload)) {
    const counted = countedOf(run, draft, log, by);
    const published: Published = {
      verdict: draft,
      backing: { kind: 'witnessed', size: log.size, by: counted, log },
      ending: null,
    };
    announce(transition, run, published);
    return finish(transition, run, published);
  }
  state.presence.witnessed.set(run.id, by);
  if (run.phase.published !== null) return unchanged(transition);
  const isAnswer = run.answer !== null && transition.rules >= 3;
  if (isAnswer && publisherLapsed(transition, run) !== undefined) return unchanged(transition);
  // Told once: it may go on for as long as the request lasts.
  tell(transition, run, { kind: 'unwitnessed', ...missing(state, run, draft) });
  const about = aboutResult(run, draft.result);
  run.phase = { ...run.phase, published: publish(transition, run, 'agreed', about) };
}
