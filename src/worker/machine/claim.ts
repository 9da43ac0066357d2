import type { Claim, Grant } from '../../protocol/documents/index.ts';
import { cosignersOf } from '../../protocol/judge/policy.ts';
import { drawOf, shareReachedAfter } from '../../protocol/trust/draw.ts';
import type { KnownOffer } from './state.ts';

const claimSeconds = 3600;

/** The worker's answer to an offer: a claim, or with `pass` the reason why it wants no slot. `now` in ms since the epoch. */
export function claimOf(said: Omit<Claim, 'iat' | 'exp'>, now: number): Claim {
  const iat = Math.floor(now / 1000);
  return {
    ...said,
    iat,
    exp: iat + claimSeconds,
  };
}

/** Sets when an offer that is new to this worker is claimed, or that it never is. Returns what to tell its operator of it. */
export function firstSeen(known: KnownOffer, grant: Grant): string | undefined {
  const { payload } = known.offer;
  if (grant.role === 'trusted-worker' && cosignersOf(payload.policy) === 0) known.state = 'done';
  if (grant.role !== 'worker') return undefined;
  if (grant.enrolled >= payload.index) {
    known.state = 'done';
    return `${known.job.name} was offered before this operator was enrolled; the next round of it, or the next job, is open to it`;
  }
  const draw = drawOf(grant.operator, payload.draw.seed);
  known.claimAt = known.firstSeenAt + shareReachedAfter(payload, draw);
  return undefined;
}
