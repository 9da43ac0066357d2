import { isTrustedSlot, type Job, type Policy } from '../documents/index.ts';
import type { Decision, decide } from './decide.ts';
import type { Evidence, Revocations, Vote } from './evidence.ts';

/** Whether the outcome of this job may be taken from an earlier run: it depends on nothing that its id does not name. */
export function mayBeAnswered({ image, network }: Pick<Job, 'image' | 'network'>): boolean {
  return image !== 'host' && network === undefined;
}

/** Decides on an earlier run's votes under this request's policy, charter and inputs, without rounds that it would not have had. */
export function decideEarlier(
  using: typeof decide,
  policy: Policy,
  evidence: Evidence,
  revocations: Revocations,
): Decision {
  const had = ({ slot, round }: Vote) => isTrustedSlot(slot) || round <= policy.rounds;
  return using(policy, { ...evidence, votes: evidence.votes.filter(had) }, revocations);
}
