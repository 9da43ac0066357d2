import { QuorateError } from '../../../protocol/base/errors.ts';
import { checkTime } from '../../../protocol/documents/index.ts';
import { checkTrusted, cosignersOf, isBusy, lackOf } from '../../../protocol/judge/index.ts';
import { drawOf, fullShare, mayClaim, shareAt } from '../../../protocol/trust/draw.ts';
import { isOver, precedes } from '../facts.ts';
import { controllerLimits } from '../limits.ts';
import { charterOf } from '../members/charter.ts';
import { checkGranted } from '../members/enrolment.ts';
import { answeredBy, attach, contendersOf, tokenOf } from '../presence.ts';
import {
  type Candidate,
  type ControllerState,
  currentRound,
  type EventOf,
  type LiveLease,
  type Round,
  type Run,
  runOfOffer,
  type Transition,
} from '../state.ts';
import { considerAbsence } from './absence.ts';
import { assignSlots, giveLease, isHeld, operatorsBefore, operatorsIn } from './leases.ts';
import { documentsOffered, isOfVersion } from './older.ts';
import { isForAnother } from './trusted-slot.ts';

const closed = (message: string): QuorateError => new QuorateError('OFFER_CLOSED', message);

export function claim(transition: Transition, { token, claim, grant }: EventOf<'claim'>): void {
  const { state } = transition;
  const worker = claim.signer;
  if (claim.payload.aud !== state.id)
    throw new QuorateError('CLAIM_AUDIENCE_MISMATCH', 'the claim was made for another controller');
  checkTime(claim.payload, transition.now, 'the claim');
  const granted = checkGranted(transition, grant, { by: worker });
  const run = runOfOffer(state, claim.payload.offer);
  const round = run?.rounds.find(({ offerId }) => offerId === claim.payload.offer);
  if (run === undefined || round === undefined) throw closed('the offer is closed, or never was');
  const { operator } = granted;
  if (granted.role === 'trusted-worker') {
    const candidate = { token, claim: claim.id, worker, operator, grant, draw: 0 };
    return claimTrusted(transition, run, round, candidate, claim.payload.pass);
  }
  if (granted.role !== 'worker')
    throw new QuorateError('GRANT_ROLE_MISMATCH', `a ${granted.role} builds nothing`);
  if (round !== currentRound(run) || round.revealed) throw closed('the round is over');
  if (claim.payload.pass !== undefined) {
    answeredBy(state, round.offerId).set(worker, isBusy(claim.payload.pass) ? 'busy' : 'declined');
    considerAbsence(transition, run);
    transition.reply(token, { kind: 'standby' });
    considerWindow(transition, run);
    return transition.unchanged();
  }
  const lack = lackOf(round.offer.needs, claim.payload.capabilities);
  if (lack !== undefined) throw new QuorateError('CLAIM_UNFIT', lack);
  const enrolled = state.operators.worker.get(operator) ?? Number.MAX_SAFE_INTEGER;
  const draw = drawOf(operator, round.offer.draw.seed);
  if (!precedes(enrolled, round.offer.index))
    throw new QuorateError('CLAIM_TOO_NEW', 'the operator was enrolled after this offer was made');
  if (!mayClaim(round.offer, draw, transition.now - round.openedAt))
    throw new QuorateError('CLAIM_ABOVE_SHARE', 'the draw is above the share of the offer at this time');
  if (operatorsBefore(run, round).has(operator))
    throw new QuorateError('CLAIM_NOT_FRESH', 'the operator took part in an earlier round of this job');
  const held = round.slots.find((slot) => slot.kind === 'leased' && slot.live.worker === worker);
  if (held?.kind === 'leased') return giveAgain(transition, run, token, held.live);
  if (round.lostBy.has(operator))
    throw new QuorateError('CLAIM_SLOT_LOST', 'the operator lost its slot of this round');
  if (operatorsIn(run, round).has(operator))
    throw new QuorateError('CLAIM_HAS_SLOT', 'the operator has a slot of this round already');
  answeredBy(state, round.offerId).set(worker, 'claimed');
  const first = round.candidates.find((candidate) => candidate.worker === worker);
  const again = first !== undefined && !outlasts(grant, first.grant);
  const candidate = again ? first : { token, claim: claim.id, worker, operator, grant, draw };
  if (again) {
    state.presence.tokens.set(candidate, token);
    transition.unchanged();
  } else round.candidates = [...round.candidates.filter((other) => other.worker !== worker), candidate];
  transition.reply(token, { kind: 'standby' });
  if (round.windowOpen) return considerWindow(transition, run);
  if (!again) assignSlots(transition, run, round);
  tellReserve(transition, round, candidate);
}

/** Whether a claim that is repeated is worth another event: its grant is good for longer than that of the first. */
function outlasts(grant: Candidate['grant'], before: Candidate['grant']): boolean {
  return grant.payload.exp - before.payload.exp > controllerLimits.claimAgainSeconds;
}

/** The answer to an earlier claim was lost, or the worker restarted. Only a heartbeat keeps the lease. */
function giveAgain(transition: Transition, run: Run, token: string, { id, lease }: LiveLease): void {
  attach(transition.state, id);
  transition.reply(token, { kind: 'lease', run: run.id, lease });
  transition.unchanged();
}

/** Tells candidates that got no slot, so that they can claim elsewhere. */
function tellReserve(transition: Transition, round: Round, only?: Candidate): void {
  for (const candidate of round.candidates) {
    const token = tokenOf(transition.state, candidate);
    if (only === undefined || only === candidate) transition.reply(token, { kind: 'reserve' });
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
  if (cosignersOf(run.request.payload.policy) === 0) throw closed('this job needs no co-signature');
  const { trusted } = run;
  const held =
    trusted.kind === 'leased' &&
    trusted.live.worker === candidate.worker &&
    trusted.live.lease.offer === round.offerId;
  if (isOver(run) || (trusted.kind !== 'free' && !held) || round !== currentRound(run))
    throw closed('the trusted slot is taken');
  if (!held && isForAnother(transition, run, candidate.worker))
    throw closed('another trusted worker is asked first');
  const waits = transition.state.draining && (round.revealed || isHeld(transition.state, round));
  if (pass !== undefined || (waits && !held)) {
    transition.reply(candidate.token, { kind: 'standby' });
    return transition.unchanged();
  }
  if (held) return giveAgain(transition, run, candidate.token, trusted.live);
  giveLease(transition, run, round, 'trusted', candidate);
}

/** Closes the claim window once no worker that has yet to answer could have a lower draw than those who get the slots. */
export function considerWindow(transition: Transition, run: Run): void {
  const round = currentRound(run);
  if (run.phase.kind !== 'building' || round?.windowOpen !== true) return;
  if (isHeld(transition.state, round) || !isSettled(transition, run, round)) return;
  transition.out.push({ kind: 'raise', event: { kind: 'answered', offer: round.offerId } });
}

/** Everybody present has answered: the window closes before its time. */
export function everyoneAnswered(transition: Transition, { offer }: EventOf<'answered'>): void {
  const run = runOfOffer(transition.state, offer);
  const round = run && currentRound(run);
  const open = run?.phase.kind === 'building' && round?.offerId === offer && round.windowOpen;
  if (!open || isHeld(transition.state, round)) return transition.unchanged();
  closeWindow(transition, run, round);
}

/** Leases the slots to those who claimed. */
export function closeWindow(transition: Transition, run: Run, round: Round): void {
  round.windowOpen = false;
  transition.state.presence.contenders.delete(round.offerId);
  assignSlots(transition, run, round);
  tellReserve(transition, round);
  // Workers above the first share learn that they may claim as it widens.
  if (wantsMore(transition.state, round))
    transition.out.push({ kind: 'offer', run: run.id, offer: round.offer });
}

/** Whether those who were asked first left a slot of a round free, and others are there to be asked. */
const wantsMore = (state: ControllerState, round: Round): boolean =>
  !round.windowOpen &&
  !round.revealed &&
  round.offer.draw.share < fullShare &&
  !isHeld(state, round) &&
  round.slots.some(({ kind }) => kind === 'free');

/** Offers of rounds that want more than those who were asked first. */
export function unfilledOffers(state: ControllerState): string[] {
  return [...state.index.open.values()].flatMap((run) => {
    const round = run.phase.kind === 'building' ? currentRound(run) : undefined;
    return round !== undefined && wantsMore(state, round) ? [round.offerId] : [];
  });
}

function isSettled(transition: Transition, run: Run, round: Round): boolean {
  const { state, now } = transition;
  const { presence } = state;
  const before = operatorsBefore(run, round);
  const have = answeredBy(state, round.offerId);
  const highest = highestDraw(round);
  // Other machines of an operator that claimed change nothing: it gets one slot.
  const claimed = new Set(round.candidates.map(({ operator }) => operator));
  let eligible = 0;
  const documents = documentsOffered(state, run, round);
  const { seed } = round.offer.draw;
  const share = shareAt(round.offer.draw, now - round.openedAt);
  for (const [worker, draw] of contendersOf(presence, round.offerId, { seed, share })) {
    const present = presence.workers.get(worker);
    if (present === undefined) continue;
    const { operator, enrolled } = present;
    if (!precedes(enrolled, round.offer.index) || before.has(operator)) continue;
    if (!isOfVersion(state, present, documents)) continue;
    if (!have.has(worker) && !claimed.has(operator) && draw < highest) return false;
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

/** Tells why a worker takes no slot: once per operator and round, of few operators, while a slot is free. */
export function passed(transition: Transition, { offer, worker, reason }: EventOf<'passed'>): void {
  const { state } = transition;
  const run = runOfOffer(state, offer);
  const round = run && currentRound(run);
  const known = state.keys.get(worker);
  if (run === undefined || round?.offerId !== offer || known === undefined) return transition.unchanged();
  const waits =
    known.role === 'trusted-worker'
      ? run.trusted.kind === 'free'
      : !round.revealed && round.slots.some((slot) => slot.kind === 'free');
  const { operator } = known;
  if (!waits || round.passed.has(operator) || round.passed.size >= controllerLimits.passesToldMax)
    return transition.unchanged();
  round.passed.add(operator);
  transition.tell(run, { kind: 'passed', round: round.n, operator, worker, reason });
}
