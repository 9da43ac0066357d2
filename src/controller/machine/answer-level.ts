import { sameValue } from '../../protocol/documents/index.ts';
import { type Decision, decide } from '../../protocol/trust/decide.ts';
import { decideEarlier } from '../../protocol/trust/earlier.ts';
import { revocationAt, revocationsFor } from '../../protocol/trust/revocations.ts';
import { needsWitnesses } from '../../protocol/trust/witnesses.ts';
import type { PublishedFacts, RunFacts } from './facts.ts';
import { precedes } from './log-order.ts';
import { revocationsIn } from './members/revocations.ts';
import type { ControllerState } from './state.ts';
import { inputLevels } from './verdicts/input-levels.ts';
import { staysWitnessed } from './verdicts/witnesses.ts';

/**
 * The level that the evidence of an earlier run comes to for this one, with a verdict at this log index under this charter: co-signed by a
 * trusted worker that the charter names, or witnessed by as many operators as this request asks for.
 */
export function levelOn(
  state: ControllerState,
  run: RunFacts,
  on: {
    earlier: RunFacts;
    published: PublishedFacts;
    charter: PublishedFacts['verdict']['charter'];
    index: number;
  },
): Decision['level'] {
  const { earlier, published, charter, index } = on;
  const { verdict, backing } = published;
  const { policy } = run.request.payload;
  const { trusted, witnesses } = charter.payload;
  const all = [...revocationsIn(state, charter), ...revocationsIn(state, verdict.charter)];
  const cosigned =
    backing.kind === 'cosigned' &&
    trusted.includes(backing.worker) &&
    revocationAt(all, { kind: 'key', id: backing.worker }, verdict.index) === undefined
      ? [backing.worker]
      : [];
  const decision = decideEarlier(
    decide,
    policy,
    {
      kind: run.job.kind,
      votes: earlier.receipts.filter((vote) => precedes(vote.index, verdict.index)),
      trustedKeys: trusted,
      cosigned,
      inputs: inputLevels(state, run),
    },
    revocationsFor(all, index),
  );
  const level = decision.results.find(({ result }) => result === verdict.result)?.level ?? 'none';
  if (level !== 'trusted' || cosigned.length > 0) return level;
  const sameWitnesses =
    witnesses === undefined || sameValue(witnesses, verdict.charter.payload.witnesses ?? null);
  const witnessed =
    !needsWitnesses(policy, 'trusted', verdict.outcome) ||
    (backing.kind === 'witnessed' && sameWitnesses && staysWitnessed(run, published, all));
  return witnessed ? level : 'agreed';
}
