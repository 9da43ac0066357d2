import { limits } from '../../base/limits.ts';
import { trustedAmong } from '../revocations.ts';
import type { Witnessed } from '../witnesses.ts';
import type { Ask, Logged, Opened } from './context.ts';
import { signedAt } from './decision.ts';
import { decidedAt } from './times.ts';

/** Signer of a verdict's place in the log beside the controller: a trusted worker that signed it and the checkpoint, or enough witnesses. */
export type VerdictPlace = 'cosigned' | 'witnessed' | 'controller';

/** `witnessed`: by whom the checkpoint of this verdict was signed, where those are enough. */
export function placeOf(
  { revoked }: Pick<Ask, 'revoked'>,
  opened: Opened,
  logged: Logged,
  witnessed: Witnessed | null,
): VerdictPlace {
  const { charter, request, verdict } = opened;
  const signers = trustedAmong(verdict.signers, charter.payload, revoked, logged.verdictIndex);
  const signed = signedAt(logged, signers, request.payload.policy);
  if (signed !== undefined && decidedAt(opened) <= signed + limits.clockSkewSeconds) return 'cosigned';
  return witnessed === null ? 'controller' : 'witnessed';
}
