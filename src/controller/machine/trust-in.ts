import type { Revocations } from '../../protocol/trust/decide.ts';
import { revocationsFor } from '../../protocol/trust/revocations.ts';
import { charterOf } from './members/enrolment.ts';
import { revocationsIn } from './members/revocations.ts';
import type { Transition } from './state.ts';

/**
 * The trusted workers of the charter in force, and what is revoked. Nothing that a revoked trusted worker built is waited for any more,
 * from whenever on it is revoked.
 */
export function trustIn(transition: Transition): { trustedKeys: string[]; revocations: Revocations } {
  const { state } = transition;
  const { trusted: trustedKeys } = charterOf(transition);
  const { keys, ...others } = revocationsFor(revocationsIn(state), state.log.size);
  const gone = trustedKeys.filter((key) => Object.hasOwn(keys, key)).map((key) => [key, 0]);
  return { trustedKeys, revocations: { ...others, keys: { ...keys, ...Object.fromEntries(gone) } } };
}
