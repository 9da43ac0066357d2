import { limits } from '../base/limits.ts';
import type { Charter, Grant, Outcome, Policy, VerdictLevel, Verified } from '../documents/index.ts';
import { type Check, checkGrant, cosignersOf } from '../judge/index.ts';
import type { NamedWitness, Witness } from '../transparency/index.ts';
import { isCheap } from './decide.ts';
import { type Revoked, revocationAt } from './revocations.ts';

/** The lines of witnesses under a checkpoint, each verified. */
export interface OpenedWitnesses {
  /** By keys that are their own names: workers of the project. */
  keys: readonly Witness[];
  /** By the witnesses of others that the charter names. */
  named: readonly NamedWitness[];
}

/** Those of the signers of a checkpoint that count. */
export interface Witnessed {
  /** Keys of workers that count, one for each operator. */
  keys: string[];
  operators: string[];
  named: string[];
  /** When these signed, by their own clocks, in seconds. */
  times: number[];
}

/** Whether a verdict rests on the log alone, trusted without a co-signature: then witnesses have to have signed that log. */
export function needsWitnesses(policy: Policy, level: VerdictLevel, outcome: Outcome | null): boolean {
  return placedByWitnesses(policy, level) && (outcome === null || !isCheap(outcome));
}

/** Whether witnesses sign the place of an answer; also of one that made nothing, whose earlier verdict a trusted worker signed. */
export function placedByWitnesses(policy: Policy, level: VerdictLevel): boolean {
  return level === 'trusted' && cosignersOf(policy) === 0;
}

/** How many operators' workers, and how many witnesses of others, have to have signed. */
export function witnessesNeeded(policy: Policy, charter: Charter): { operators: number; named: number } {
  return { operators: policy.agree, named: charter.witnesses?.need ?? 0 };
}

/** Whether those are enough. */
export function isWitnessed(by: Witnessed, policy: Policy, charter: Charter): boolean {
  const { operators, named } = witnessesNeeded(policy, charter);
  return by.operators.length >= operators && by.named.length >= named;
}

interface WitnessGrants {
  /** Of the receipts, which were judged with them. */
  receipts: readonly Verified<Grant>[];
  more: readonly Verified<Grant>[];
}

/**
 * Counts witnesses: a worker for its operator, a trusted worker for none; no one that signed before the verdict or is revoked under
 * the checkpoint. `decidedAt`: of the verdict, in seconds; `last`: index of the checkpoint's last leaf.
 */
export function witnessedBy(
  check: Check,
  lines: OpenedWitnesses,
  grants: WitnessGrants,
  context: { charter: Charter; revoked: readonly Revoked[]; decidedAt: number; last: number },
): Witnessed {
  const { charter, revoked, decidedAt, last } = context;
  const isRevoked = (kind: 'key' | 'operator', id: string) =>
    revocationAt(revoked, { kind, id }, last) !== undefined;
  const inTime = (time: number) => decidedAt <= time + limits.clockSkewSeconds;
  const by: Witnessed = { keys: [], operators: [], named: [], times: [] };
  for (const { witness, time } of lines.keys) {
    const known = grants.receipts.find(({ payload }) => payload.sub === witness);
    const grant = known ?? grants.more.find(({ payload }) => payload.sub === witness);
    if (grant === undefined || grant.payload.role !== 'worker') continue;
    if (known === undefined) checkGrant(check, grant, charter, { by: witness, as: 'worker', at: time });
    const { operator } = grant.payload;
    const isVoid =
      isRevoked('key', witness) || isRevoked('key', grant.signer) || isRevoked('operator', operator);
    if (isVoid || !inTime(time) || by.operators.includes(operator)) continue;
    by.keys.push(witness);
    by.operators.push(operator);
    by.times.push(time);
  }
  for (const { name, time } of lines.named) {
    if (!inTime(time)) continue;
    by.named.push(name);
    by.times.push(time);
  }
  return by;
}
