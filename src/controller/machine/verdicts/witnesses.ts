import { secondsOfIso } from '../../../protocol/base/time.ts';
import type { Grant, Verified } from '../../../protocol/documents/index.ts';
import { enforce } from '../../../protocol/judge/index.ts';
import { type Revoked, voteRevoked } from '../../../protocol/trust/revocations.ts';
import {
  isWitnessed,
  type Witnessed,
  witnessedBy,
  witnessesNeeded,
} from '../../../protocol/trust/witnesses.ts';
import {
  type CountedWitness,
  type Missing,
  type PublishedFacts,
  precedes,
  type RunFacts,
  type WitnessedLog,
} from '../facts.ts';
import { publisherLapsed } from '../members/charter.ts';
import { revocationsIn } from '../members/revocations.ts';
import {
  type ControllerState,
  documentsOf,
  type EventOf,
  type LoggedVerdict,
  type Run,
  type Transition,
} from '../state.ts';
import { aboutResult, endorse, publish } from './verdict.ts';

/** Grants of the receipts that a verdict lists. */
export function grantsIn(run: Run, { index }: LoggedVerdict): Verified<Grant>[] {
  return run.receipts.flatMap((recorded) =>
    precedes(recorded.index, index) ? [documentsOf(run, recorded).grant] : [],
  );
}

/** Witnesses of a verdict that count. @throws `GRANT_…`. */
export function countWitnesses(
  run: Run,
  verdict: LoggedVerdict,
  { size, lines, grants }: WitnessedLog,
  revoked: readonly Revoked[],
): Witnessed {
  return witnessedBy(
    enforce,
    lines,
    { receipts: grantsIn(run, verdict), more: grants },
    {
      charter: verdict.charter.payload,
      revoked,
      decidedAt: secondsOfIso(verdict.payload.predicate.timeVerified),
      last: size - 1,
    },
  );
}

/** The witnesses that count, as they are kept when the grants are gone. */
function countedOf(
  run: Run,
  verdict: LoggedVerdict,
  { grants }: WitnessedLog,
  { keys }: Witnessed,
): CountedWitness[] {
  const all = [...grantsIn(run, verdict), ...grants];
  return keys.flatMap((worker) => {
    const grant = all.find(({ payload }) => payload.sub === worker);
    return grant === undefined ? [] : [{ worker, operator: grant.payload.operator, issuer: grant.signer }];
  });
}

/** Whether a published verdict still has the operators among its witnesses that it needs. */
export function staysWitnessed(
  run: RunFacts,
  { endorsement }: PublishedFacts,
  revoked: readonly Revoked[],
): boolean {
  if (endorsement.kind !== 'witnessed') return true;
  const index = endorsement.size - 1;
  const valid = endorsement.by.filter(
    (witness) => voteRevoked(revoked, { ...witness, index, role: 'worker' }) === undefined,
  );
  return valid.length >= run.request.payload.policy.agree;
}

/** Witnesses that a verdict still lacks, as far as the last checkpoint tells. */
export function missing(
  { presence }: ControllerState,
  run: RunFacts,
  { charter }: Pick<LoggedVerdict, 'charter'>,
): Missing {
  const { operators = [], named = [] } = presence.witnessed.get(run.id) ?? {};
  const needed = witnessesNeeded(run.request.payload.policy, charter.payload);
  const all = charter.payload.witnesses?.keys.map((key) => key.slice(0, key.indexOf('+'))) ?? [];
  return {
    operators: [...operators],
    operatorsNeeded: needed.operators,
    named: [...named],
    namedNeeded: needed.named,
    namedMissing: all.filter((name) => !named.includes(name)),
  };
}

/** Publishes a verdict with enough witnesses; with fewer, once, what was agreed on. @throws `GRANT_…`. */
export function witnessed(transition: Transition, run: Run, event: EventOf<'witnessed'>): void {
  const { state } = transition;
  if (run.phase.kind !== 'witnessing' || run.phase.draft.id !== event.verdict) return transition.unchanged();
  const { draft } = run.phase;
  const { log, root } = event;
  if (log.size < draft.size || log.size > state.log.size || state.log.root(log.size) !== root)
    return transition.unchanged();
  const by = countWitnesses(run, draft, log, revocationsIn(state, draft.charter));
  if (isWitnessed(by, run.request.payload.policy, draft.charter.payload)) {
    const counted = countedOf(run, draft, log, by);
    return endorse(transition, run, draft, { kind: 'witnessed', size: log.size, by: counted, log });
  }
  state.presence.witnessed.set(run.id, by);
  if (run.phase.published !== null) return transition.unchanged();
  const isReuse = run.reused !== null && transition.rules >= 3;
  if (isReuse && publisherLapsed(transition, run) !== undefined) return transition.unchanged();
  // Told once: it may go on for as long as the request lasts.
  transition.tell(run, { kind: 'unwitnessed', ...missing(state, run, draft) });
  const about = aboutResult(run, draft.result);
  run.phase = { ...run.phase, published: publish(transition, run, 'agreed', about) };
}
