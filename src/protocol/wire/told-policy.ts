import type { Policy } from '../documents/index.ts';
import { cosignersOf } from '../judge/policy.ts';
import type { ToldPolicy } from './runs.ts';

/** A policy as runs and events tell it. */
export function toldPolicy(policy: Policy): ToldPolicy {
  const { agree, of } = policy;
  return { agree, of, cosign: cosignersOf(policy) > 0 };
}

/** The members of an event that are its policy. */
export const policyIn = ({ agree, of, cosign }: ToldPolicy): ToldPolicy => ({ agree, of, cosign });

type Signers = Pick<ToldPolicy, 'cosign'>;

/** Trusted workers that have to sign, who are one in the sentence; empty where none has to. */
export const signersText = ({ cosign }: Signers): string => (cosign ? 'the trusted worker' : '');

/** The same, as the owner is told of them. */
export const ownSignersText = ({ cosign }: Signers): string => (cosign ? 'your own worker' : '');

/** The part that they have in a run. */
export const ownSignersTaskText = (policy: Signers): string =>
  `${ownSignersText(policy)} has to build the same, and signs`;

/** Builders that the policy asks for: operators, and those who sign. */
export const buildersText = (policy: ToldPolicy): string =>
  `${policy.agree} of ${policy.of} operators${policy.cosign ? ` and ${signersText(policy)}` : ''}`;

/** The same, which also says that nobody signs. */
export function conditionsText(policy: Policy): string {
  const told = toldPolicy(policy);
  return `${buildersText(told)}${told.cosign ? '' : ', without a co-signature'}`;
}
