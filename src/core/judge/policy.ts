import type { Policy } from '../documents/index.ts';

/**
 * Whether `policy` is at least as tight as `floor`: as many operators must agree; each further one brings at most two
 * more slots (so that 3 of 5 meets a floor of 2 of 3, but 2 of 3 does not meet one of 2 of 2); a required co-signature
 * stays; there are no more rounds, as each is another chance to be drawn.
 */
export function policyMeetsFloor(policy: Policy, floor: Policy): boolean {
  return (
    policy.agree >= floor.agree &&
    policy.of - floor.of <= 2 * (policy.agree - floor.agree) &&
    (floor.cosign === 'none' || policy.cosign === 'required') &&
    policy.rounds <= floor.rounds
  );
}
