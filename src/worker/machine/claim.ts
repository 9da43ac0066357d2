import type { Capabilities, Claim } from '../../protocol/documents/index.ts';
import type { Known } from './state.ts';

/** Lifetime of a claim. */
export const claimSeconds = 3600;

/** The worker's answer to an offer: a claim, or with `pass` the reason why it wants no slot. `now` in ms since the epoch. */
export function claimOf({
  worker,
  known,
  capabilities,
  pass,
  now,
}: {
  worker: string;
  known: Known;
  capabilities: Capabilities;
  pass: string | undefined;
  now: number;
}): Claim {
  const iat = Math.floor(now / 1000);
  return {
    iss: worker,
    aud: known.offer.payload.iss,
    offer: known.offer.id,
    ...(pass === undefined ? {} : { pass }),
    capabilities,
    jti: known.entropy,
    iat,
    exp: iat + claimSeconds,
  };
}
