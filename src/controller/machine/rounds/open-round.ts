import { toUtf8 } from '../../../protocol/base/text.ts';
import { idOf, leaves, needsOf, type Offer, sha256Hex } from '../../../protocol/documents/index.ts';
import { fullShare } from '../../../protocol/trust/draw.ts';
import { toldPolicy } from '../../../protocol/wire/told-policy.ts';
import type { RunFacts } from '../facts.ts';
import { charterOf } from '../members/charter.ts';
import { operatorsLeft } from '../members/revocations.ts';
import { openOffer } from '../slots.ts';
import type { ControllerState, Round, Run, Transition } from '../state.ts';
import { operatorsBefore } from './leases.ts';
import { considerOutdated, passForOlder } from './older.ts';

/** Operators around that may claim at first: M, some that pass, some in reserve. Each claim costs. Uncounted: a share of all enrolled. */
const claimsFor = (slots: number): number => 2 * slots + 4;
const sharePerSlot = 8;

function firstShare({ around, operators }: ControllerState, slots: number): number {
  if (around !== undefined) return shareAround(around, slots);
  return shareOf(sharePerSlot * slots, operators.worker.size);
}

/** The share that an offer of so many slots begins with, where so many operators are around. */
export const shareAround = (around: number, slots: number): number => shareOf(claimsFor(slots), around);

const shareOf = (claims: number, among: number): number =>
  Math.min(fullShare, Math.floor((fullShare * claims) / Math.max(1, among)));

/** Operators that drew low for one instance of a job draw anew for the next. */
function seedOf({ entropy, earlier, jobId }: Run, round: number): string {
  const instance = earlier.length === 0 ? '' : ` job ${jobId}`;
  return sha256Hex(toUtf8(`${entropy}${instance} round ${round}`));
}

export function openRound(transition: Transition, run: Run): void {
  const { state, now } = transition;
  const { policy, exp } = run.request.payload;
  const n = run.rounds.length + 1;
  const share = firstShare(state, policy.of);
  const { project, epoch } = charterOf(transition);
  const offer: Offer = {
    iss: state.id,
    project,
    charter: epoch,
    request: run.id,
    job: run.jobId,
    round: n,
    policy,
    draw: { seed: seedOf(run, n), share, widenMs: state.timings.widenMs },
    index: state.log.size,
    needs: needsOf(run.job),
    iat: Math.floor(now / 1000),
    exp,
  };
  const offerId = idOf(offer);
  transition.appendLeaf(leaves.offer(offerId, run.jobId, run.id));
  const round: Round = {
    n,
    offer,
    offerId,
    openedAt: now,
    windowEnds: now + state.timings.windowMs,
    windowOpen: true,
    fillBy: now + state.timings.windowMs + state.timings.slotFillMs,
    candidates: [],
    passed: new Set(),
    slots: Array.from({ length: policy.of }, () => ({ kind: 'free' as const })),
    leasesGiven: Array.from({ length: policy.of }, () => 0),
    lostBy: new Set(),
    revealed: false,
  };
  run.rounds.push(round);
  run.phase = { kind: 'building' };
  openOffer(transition, run, round);
  transition.tell(run, { kind: 'round', round: n, offer: offerId, ...toldPolicy(policy) });
  passForOlder(transition, run);
  considerOutdated(transition, run);
}

/** Whether the policy allows one more round, and there are operators for it without a receipt of an earlier one. */
export function mayOpenRound(state: ControllerState, run: RunFacts): boolean {
  const { policy } = run.request.payload;
  const held = operatorsBefore(run, { n: run.rounds.length + 1 });
  const fresh = operatorsLeft(state).filter((name) => !held.has(name));
  return run.rounds.length < policy.rounds && fresh.length >= policy.agree;
}
