import { secondsOfIso } from '../../../protocol/base/time.ts';
import type { Grant, Verified } from '../../../protocol/documents/index.ts';
import { enforce } from '../../../protocol/judge/index.ts';
import { type Revoked, voteRevoked } from '../../../protocol/trust/revocations.ts';
import { type Witnessed, witnessedBy, witnessesNeeded } from '../../../protocol/trust/witnesses.ts';
import type { CountedWitness, Missing, WitnessedLog } from '../backing.ts';
import type { PublishedFacts, RunFacts } from '../facts.ts';
import { precedes } from '../log-order.ts';
import { type ControllerState, documentsOf, type LoggedVerdict, type Run } from '../state.ts';

/** Grants of the receipts that a verdict lists. */
export function grantsIn(run: Run, { index }: LoggedVerdict): Verified<Grant>[] {
  return run.receipts.flatMap((recorded) =>
    precedes(recorded.index, index) ? [documentsOf(run, recorded).grant] : [],
  );
}

/** Witnesses of a verdict that count. Errors: `GRANT_…`. */
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

/** Those that count, as they are kept when the grants are gone. */
export function countedOf(
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
  { backing }: PublishedFacts,
  revoked: readonly Revoked[],
): boolean {
  if (backing.kind !== 'witnessed') return true;
  const index = backing.size - 1;
  const standing = backing.by.filter(
    (witness) => voteRevoked(revoked, { ...witness, index, role: 'worker' }) === undefined,
  );
  return standing.length >= run.request.payload.policy.agree;
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
