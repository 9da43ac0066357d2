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

/** Builders that the policy asks for: operators, and those who sign. */
export const buildersText = ({ agree, of, cosign }: ToldPolicy): string =>
  `${agree} of ${of} operators${cosign ? ' and the trusted worker' : ''}`;
