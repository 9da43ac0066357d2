import { cosigning } from '../documents/cosign.ts';
import type { Charter, Job, Policy } from '../documents/index.ts';

/** In what a policy may be weaker than another one. */
export type Weakness = 'agree' | 'of' | 'cosign' | 'rounds';

/** Trusted workers that have to co-sign. */
export function cosignersOf({ cosign }: Pick<Policy, 'cosign'>): number {
  return cosigning[cosign].signers;
}

/** As many, and one where none has to: a trusted worker may sign, or contradict, all the same. */
export const cosignersOrOne = (policy: Pick<Policy, 'cosign'>): number => Math.max(cosignersOf(policy), 1);

/**
 * In what `policy` is weaker than `floor`. `of`: each further operator that must agree may bring two more slots (3 of 5 meets 2 of 3,
 * but 2 of 3 does not meet 2 of 2). `rounds`: each is another chance to be drawn.
 */
export function weaknessesOf(policy: Policy, floor: Policy): Weakness[] {
  const weaker: Record<Weakness, boolean> = {
    agree: policy.agree < floor.agree,
    of: policy.of - floor.of > 2 * (policy.agree - floor.agree),
    cosign: cosignersOf(policy) < cosignersOf(floor),
    rounds: policy.rounds > floor.rounds,
  };
  return (['agree', 'of', 'cosign', 'rounds'] as const).filter((one) => weaker[one]);
}

/** Whether `policy` is at least as tight as `floor`. */
export function policyMeetsFloor(policy: Policy, floor: Policy): boolean {
  return weaknessesOf(policy, floor).length === 0;
}

/** The weakest policy that a charter allows for a job: tests may have a floor of their own. */
export function floorOf(
  { floor, testFloor }: Pick<Charter, 'floor' | 'testFloor'>,
  { kind }: Pick<Job, 'kind'>,
): Policy {
  return kind === 'test' ? (testFloor ?? floor) : floor;
}
