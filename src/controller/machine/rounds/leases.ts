import type { ErrorCode } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { compareTexts } from '../../../protocol/base/text.ts';
import { idOf, isTrustedSlot, type Lease, type Slot } from '../../../protocol/documents/index.ts';
import type { RunFacts } from '../facts.ts';
import { controllerLimits } from '../limits.ts';
import { charterOf } from '../members/charter.ts';
import { answeredBy, hear, tokenOf } from '../presence.ts';
import { closeOffer, findLease, hasTrustedLease, openOffer, setSlot } from '../slots.ts';
import {
  type Candidate,
  type ControllerState,
  currentRound,
  type LiveLease,
  liveLeases,
  type Round,
  type Run,
  type Transition,
} from '../state.ts';

/** Operators with a live lease of this round, or with a receipt. */
export function operatorsIn(run: Run, round: Round): Set<string> {
  const held = new Set<string>();
  for (const slot of round.slots) if (slot.kind === 'leased') held.add(slot.live.operator);
  for (const recorded of run.receipts) {
    if (recorded.round === round.n && !isTrustedSlot(recorded.slot)) held.add(recorded.operator);
  }
  return held;
}

/** Operators with a receipt of an earlier round; they may not claim in this one. */
export function operatorsBefore(run: Pick<RunFacts, 'receipts'>, round: { n: number }): Set<string> {
  const before = new Set<string>();
  for (const recorded of run.receipts) {
    if (recorded.round < round.n && !isTrustedSlot(recorded.slot)) before.add(recorded.operator);
  }
  return before;
}

export function giveLease(
  transition: Transition,
  run: Run,
  round: Round,
  slot: Slot,
  candidate: Candidate,
): void {
  const { state } = transition;
  const { claim, grant, worker, operator } = candidate;
  const { project } = charterOf(transition);
  const iat = Math.floor(transition.now / 1000);
  const lease: Lease = {
    iss: state.id,
    aud: worker,
    project,
    claim,
    offer: round.offerId,
    job: run.jobId,
    round: round.n,
    operator,
    slot,
    fence: { epoch: state.epoch, n: ++state.leasesThisEpoch },
    iat,
    exp: iat + leaseSecondsOf(state, run),
  };
  const live: LiveLease = { id: idOf(lease), lease, grant, worker, operator };
  hear(state, live.id, transition.now);
  setSlot(run, round, slot, { kind: 'leased', live });
  if (isTrustedSlot(slot)) run.trustedLeases++;
  else round.leasesGiven[slot] = (round.leasesGiven[slot] ?? 0) + 1;
  state.leases.set(live.id, run.id);
  transition.reply(tokenOf(state, candidate), { kind: 'lease', run: run.id, lease });
  transition.tell(run, { kind: 'leased', round: round.n, slot, worker, operator });
}

/** Leases free slots to the candidates with the lowest draws, one lease per operator. */
export function assignSlots(transition: Transition, run: Run, round: Round): void {
  if (round.windowOpen || round.revealed || isHeld(transition.state, round)) return;
  dropExpired(transition, round);
  for (const [slot, slotState] of round.slots.entries()) {
    if (slotState.kind !== 'free') continue;
    const taken = operatorsIn(run, round);
    const waiting = round.candidates
      .filter(({ operator }) => !taken.has(operator) && !round.lostBy.has(operator))
      .sort(byDraw);
    const [next] = waiting;
    if (next === undefined) return;
    round.candidates = round.candidates.filter((candidate) => candidate.worker !== next.worker);
    giveLease(transition, run, round, slot, next);
  }
}

/** Refuses candidates whose grant has ended: a receipt under their lease would not count. They claim again with a new one. */
function dropExpired(transition: Transition, round: Round): void {
  const latest = transition.now - limits.clockSkewSeconds * 1000;
  const ended = round.candidates.filter(({ grant }) => grant.payload.exp * 1000 < latest);
  if (ended.length === 0) return;
  round.candidates = round.candidates.filter((candidate) => !ended.includes(candidate));
  for (const candidate of ended) {
    answeredBy(transition.state, round.offerId).delete(candidate.worker);
    transition.refuse('DOC_EXPIRED', candidate, 'the grant ended while the claim waited');
  }
}

function byDraw(a: Candidate, b: Candidate): number {
  return a.draw - b.draw || compareTexts(a.worker, b.worker);
}

/** Whether a lost slot is leased again: a bounded number of times, so that a round lasts no longer than two leases. */
export function mayLeaseAgain({ state, now }: Transition, run: Run, round: Round, slot: Slot): boolean {
  if (isTrustedSlot(slot)) return hasTrustedLease(run);
  const { windowMs, slotFillMs } = state.timings;
  const inTime = now < round.openedAt + windowMs + slotFillMs + leaseSecondsOf(state, run) * 1000;
  return inTime && (round.leasesGiven[slot] ?? 0) < limits.slotLeasesMax;
}

function leaseSecondsOf({ timings }: ControllerState, { job }: Run): number {
  return job.limits.seconds + Math.ceil(timings.leaseOverheadMs / 1000);
}

/** Other trusted workers are asked before this one, which lost the slot of a run. */
function passOver({ now }: Transition, { passedOver }: Run, worker: string): void {
  const { lost = 0, refused = false } = passedOver.get(worker) ?? {};
  passedOver.set(worker, { lost: lost + 1, until: now + controllerLimits.passedOverMs, refused });
}

/** Ends a lease; its fence is stale from now on. The slot is leased again, at most `slotLeasesMax` times in all. */
export function loseLease(
  transition: Transition,
  run: Run,
  lease: string,
  reason: string,
  code: ErrorCode = 'LEASE_LOST',
): void {
  const found = findLease(run, lease);
  if (found === undefined) return;
  const { round, slot } = found;
  const { worker, operator } = found.live;
  transition.state.leases.delete(lease);
  transition.release(code, worker, lease, reason);
  transition.tell(run, { kind: 'lost', round: round.n, slot, worker, operator, reason });
  if (isTrustedSlot(slot)) passOver(transition, run, worker);
  else round.lostBy.add(operator);
  const again = mayLeaseAgain(transition, run, round, slot);
  setSlot(run, round, slot, { kind: again ? 'free' : 'expired' });
  if (isTrustedSlot(slot)) {
    const latest = currentRound(run);
    if (latest === undefined) return;
    if (run.trusted.kind !== 'free') {
      // No slot is left: neither the trusted worker's nor one of the round.
      if (latest.revealed) closeOffer(transition, latest);
      return;
    }
    // The slot is offered once the inputs of the job are there again.
    if (run.phase.kind === 'waiting') return;
    // The offer may have been closed while the lease was live.
    return openOffer(transition, run, latest);
  }
  round.fillBy = Math.max(round.fillBy, transition.now + transition.state.timings.slotFillMs);
  assignSlots(transition, run, round);
  if (round.slots[slot]?.kind === 'free')
    transition.out.push({ kind: 'offer', run: run.id, offer: round.offer });
}

/** While the controller is drained, a round in which nobody builds or has built gives no lease until the next start. */
export function isHeld({ draining }: ControllerState, { slots }: Pick<Round, 'slots'>): boolean {
  return draining && !slots.some(({ kind }) => kind === 'leased' || kind === 'delivered');
}

/** Takes requests, and begins to build none of them until the next start. */
export function drain(transition: Transition): void {
  if (transition.state.draining) return transition.unchanged();
  transition.state.draining = true;
}

/** A lease that a drain waits for. Times in milliseconds since the epoch. */
/** Leases that a drain waits for: their builds are not delivered. */
export function awaitedLeases({ index }: Pick<ControllerState, 'index'>) {
  return [...index.open.values()].flatMap((run) =>
    liveLeases(run).map(({ operator, lease }) => ({
      run: run.id,
      name: run.job.name,
      operator,
      slot: lease.slot,
      /** When it was given, and when it ends at the latest. */
      since: lease.iat * 1000,
      until: lease.exp * 1000,
    })),
  );
}
