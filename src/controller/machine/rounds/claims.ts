import { QuorateError } from '../../../protocol/base/errors.ts';
import { toUtf8 } from '../../../protocol/base/text.ts';
import {
  checkTime,
  idOf,
  leaves,
  needsOf,
  type Offer,
  sha256Hex,
} from '../../../protocol/documents/index.ts';
import { checkTrusted, isBusy, lackOf } from '../../../protocol/judge/index.ts';
import { drawOf, fullShare, mayClaim } from '../../../protocol/trust/draw.ts';
import { isForAnother } from '../another-trusted.ts';
import { isHeld } from '../drain.ts';
import { isOver, type RunFacts } from '../facts.ts';
import { controllerLimits } from '../limits.ts';
import { precedes } from '../log-order.ts';
import { charterOf, checkGranted } from '../members/enrolment.ts';
import { operatorsLeft } from '../operators-left.ts';
import { answeredBy, attach, tokenOf } from '../presence.ts';
import type { Candidate, ControllerState, EventOf, LiveLease, Round, Run, Transition } from '../state.ts';
import { appendLeaf, currentRound, tell, unchanged } from '../state.ts';
import { considerAbsence } from './absence.ts';
import { assignSlots, giveLease, operatorsBefore, operatorsIn } from './leases.ts';
import { considerOutdated, documentsOffered, isOfVersion, passForOlder } from './older.ts';

/**
 * Operators that may claim at first, of those that are around: enough for M slots, some that pass, and some in reserve. Each claim
 * costs, so they are no more where more are around. Where nobody counted, it is a share of all that ever enrolled.
 */
const claimsFor = (slots: number): number => 2 * slots + 4;
const sharePerSlot = 8;

function firstShare({ around, operators }: ControllerState, slots: number): number {
  const [claims, among] =
    around === undefined ? [sharePerSlot * slots, operators.worker.size] : [claimsFor(slots), around];
  return Math.min(fullShare, Math.floor((fullShare * claims) / Math.max(1, among)));
}

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
  const charter = charterOf(transition);
  const offer: Offer = {
    iss: state.id,
    project: charter.project,
    charter: charter.epoch,
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
  appendLeaf(transition, leaves.offer(offerId, run.jobId, run.id));
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
  state.offers.set(offerId, run.id);
  transition.out.push({ kind: 'offer', run: run.id, offer });
  tell(transition, run, {
    kind: 'round',
    round: n,
    offer: offerId,
    agree: policy.agree,
    of: policy.of,
    cosign: policy.cosign === 'required',
  });
  passForOlder(transition, run);
  considerOutdated(transition, run);
}

/** Whether the policy allows one more round, and there are operators for it without a receipt of an earlier one. */
export function mayOpenRound(
  state: ControllerState,
  run: Pick<RunFacts, 'request' | 'rounds' | 'receipts'>,
): boolean {
  const { policy } = run.request.payload;
  const held = operatorsBefore(run, { n: run.rounds.length + 1 });
  const fresh = operatorsLeft(state).filter((name) => !held.has(name));
  return run.rounds.length < policy.rounds && fresh.length >= policy.agree;
}

function closed(message: string): QuorateError {
  return new QuorateError('OFFER_CLOSED', message);
}

export function claim(transition: Transition, { token, claim, grant }: EventOf<'claim'>): void {
  const { state } = transition;
  const worker = claim.signer;
  if (claim.payload.aud !== transition.state.id)
    throw new QuorateError('CLAIM_AUDIENCE_MISMATCH', 'the claim was made for another controller');
  checkTime(claim.payload, transition.now, 'the claim');
  const granted = checkGranted(transition, grant, worker);
  const runId = transition.state.offers.get(claim.payload.offer);
  const run = runId === undefined ? undefined : transition.state.runs.get(runId);
  const round = run?.rounds.find((candidate) => candidate.offerId === claim.payload.offer);
  if (run === undefined || round === undefined) throw closed('the offer is closed, or never was');
  if (granted.role === 'trusted-worker') {
    claimTrusted(
      transition,
      run,
      round,
      { token, claim: claim.id, worker, operator: granted.operator, grant, draw: 0 },
      claim.payload.pass,
    );
    return;
  }
  if (granted.role !== 'worker')
    throw new QuorateError('GRANT_ROLE_MISMATCH', `a ${granted.role} builds nothing`);
  if (round !== currentRound(run) || round.revealed) throw closed('the round is over');
  if (claim.payload.pass !== undefined) {
    answeredBy(state, round.offerId).set(worker, isBusy(claim.payload.pass) ? 'busy' : 'declined');
    considerAbsence(transition, run);
    transition.out.push({ kind: 'reply', token, reply: { kind: 'standby' } });
    considerWindow(transition, run);
    return unchanged(transition);
  }
  const lack = lackOf(round.offer.needs, claim.payload.capabilities);
  if (lack !== undefined) throw new QuorateError('CLAIM_UNFIT', lack);
  const enrolled = transition.state.operators.worker.get(granted.operator) ?? Number.MAX_SAFE_INTEGER;
  const draw = drawOf(granted.operator, round.offer.draw.seed);
  if (!precedes(enrolled, round.offer.index))
    throw new QuorateError('CLAIM_TOO_NEW', 'the operator was enrolled after this offer was made');
  if (!mayClaim(round.offer, draw, transition.now - round.openedAt)) {
    throw new QuorateError('CLAIM_ABOVE_SHARE', 'the draw is above the share of the offer at this time');
  }
  if (operatorsBefore(run, round).has(granted.operator)) {
    throw new QuorateError('CLAIM_NOT_FRESH', 'the operator took part in an earlier round of this job');
  }
  const held = round.slots.find((slot) => slot.kind === 'leased' && slot.live.worker === worker);
  if (held?.kind === 'leased') return giveAgain(transition, run, token, held.live);
  if (round.lostBy.has(granted.operator)) {
    throw new QuorateError('CLAIM_SLOT_LOST', 'the operator lost its slot of this round');
  }
  if (operatorsIn(run, round).has(granted.operator)) {
    throw new QuorateError('CLAIM_HAS_SLOT', 'the operator has a slot of this round already');
  }
  answeredBy(state, round.offerId).set(worker, 'claimed');
  const standing = round.candidates.find((candidate) => candidate.worker === worker);
  const again = standing !== undefined && !outlasts(grant, standing.grant);
  const candidate = again
    ? standing
    : { token, claim: claim.id, worker, operator: granted.operator, grant, draw };
  if (again) {
    state.presence.tokens.set(candidate, token);
    unchanged(transition);
  } else round.candidates = [...round.candidates.filter((other) => other.worker !== worker), candidate];
  transition.out.push({ kind: 'reply', token, reply: { kind: 'standby' } });
  if (round.windowOpen) return considerWindow(transition, run);
  if (!again) assignSlots(transition, run, round);
  tellReserve(transition, round, candidate);
}

/** Whether a claim that is repeated is worth another event: its grant is good for longer than that of the first. */
function outlasts(grant: Candidate['grant'], before: Candidate['grant']): boolean {
  return grant.payload.exp - before.payload.exp > controllerLimits.claimAgainSeconds;
}

/**
 * A worker that claims what it holds a lease for did not get the answer, or lost it in a restart. Only a heartbeat keeps
 * the lease: a worker that has no use for it loses it.
 */
function giveAgain(transition: Transition, run: Run, token: string, { id, lease }: LiveLease): void {
  attach(transition.state, id);
  transition.out.push({ kind: 'reply', token, reply: { kind: 'lease', run: run.id, lease } });
  unchanged(transition);
}

/** Tells candidates that got no slot, so that they can claim elsewhere. */
function tellReserve(transition: Transition, round: Round, only?: Candidate): void {
  for (const candidate of round.candidates) {
    const token = tokenOf(transition.state, candidate);
    if (only === undefined || only === candidate)
      transition.out.push({ kind: 'reply', token, reply: { kind: 'reserve' } });
  }
}

function claimTrusted(
  transition: Transition,
  run: Run,
  round: Round,
  candidate: Candidate,
  pass: string | undefined,
): void {
  checkTrusted(charterOf(transition).trusted, candidate.worker);
  if (run.request.payload.policy.cosign !== 'required') throw closed('this job needs no co-signature');
  const { trusted } = run;
  const held =
    trusted.kind === 'leased' &&
    trusted.live.worker === candidate.worker &&
    trusted.live.lease.offer === round.offerId;
  if (isOver(run) || (trusted.kind !== 'free' && !held) || round !== currentRound(run)) {
    throw closed('the trusted slot is taken');
  }
  if (!held && isForAnother(transition, run, candidate.worker))
    throw closed('another trusted worker is asked first');
  const waits = transition.state.draining && (round.revealed || isHeld(transition.state, round));
  if (pass !== undefined || (waits && !held)) {
    transition.out.push({ kind: 'reply', token: candidate.token, reply: { kind: 'standby' } });
    return unchanged(transition);
  }
  if (held) return giveAgain(transition, run, candidate.token, trusted.live);
  giveLease(transition, run, round, 'trusted', candidate);
}

/**
 * Raises the event that closes the window of a run's round, once no connected worker that has not answered could have a lower draw
 * than those who get the slots.
 */
export function considerWindow(transition: Transition, run: Run): void {
  const round = currentRound(run);
  if (run.phase.kind !== 'building' || round?.windowOpen !== true) return;
  if (isHeld(transition.state, round) || !isSettled(transition, run, round)) return;
  transition.out.push({ kind: 'raise', event: { kind: 'answered', offer: round.offerId } });
}

/** Everybody present has answered: the window closes before its time. */
export function everyoneAnswered(transition: Transition, { offer }: EventOf<'answered'>): void {
  const run = transition.state.runs.get(transition.state.offers.get(offer) ?? '');
  const round = run === undefined ? undefined : currentRound(run);
  const open = run?.phase.kind === 'building' && round?.offerId === offer && round.windowOpen;
  if (!open || isHeld(transition.state, round)) return unchanged(transition);
  closeWindow(transition, run, round);
}

/** Leases the slots to those who claimed. */
export function closeWindow(transition: Transition, run: Run, round: Round): void {
  round.windowOpen = false;
  assignSlots(transition, run, round);
  tellReserve(transition, round);
}

function isSettled(transition: Transition, run: Run, round: Round): boolean {
  const { state } = transition;
  const before = operatorsBefore(run, round);
  const have = answeredBy(state, round.offerId);
  const highest = highestDraw(round);
  let eligible = 0;
  const documents = documentsOffered(state, run, round);
  for (const [worker, { operator, role, enrolled, version }] of state.presence.workers) {
    if (role !== 'worker' || !precedes(enrolled, round.offer.index) || before.has(operator)) continue;
    if (!isOfVersion(state, { version }, documents)) continue;
    const answered = have.has(worker);
    if (answered && eligible > 0) continue;
    const draw = drawOf(operator, round.offer.draw.seed);
    if (!mayClaim(round.offer, draw, transition.now - round.openedAt)) continue;
    if (!answered && draw < highest) return false;
    eligible++;
  }
  return eligible > 0;
}

/** The highest draw that gets a slot, of the claims so far; more than any where they are too few for all slots. */
function highestDraw({ candidates, slots }: Round): number {
  const draws = new Map(candidates.map(({ operator, draw }) => [operator, draw]));
  const sorted = [...draws.values()].sort((a, b) => a - b);
  return sorted[slots.length - 1] ?? fullShare;
}
