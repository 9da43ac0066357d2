import type { ErrorCode } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { cosignersOf } from '../../../protocol/judge/policy.ts';
import { isLostInRestore } from '../facts.ts';
import { controllerLimits } from '../limits.ts';
import { isMember, memberRevoked } from '../members/revocations.ts';
import { hasTrustedLease } from '../slots.ts';
import {
  type ControllerState,
  currentRound,
  type EventOf,
  type LiveLease,
  type Run,
  runOfLease,
  type Transition,
} from '../state.ts';
import { askedToSign, delay, isPassing } from '../verdicts/cosigning.ts';
import { concludeRefused } from '../verdicts/verdict.ts';
import { loseLease } from './leases.ts';
import { documentsOffered, isOfVersion } from './older.ts';
import { withdrawDraft } from './settle.ts';

/** Trusted workers of the charter in force that joined and are not revoked. */
function signers(state: ControllerState): string[] {
  const trusted = state.charter?.payload.trusted ?? [];
  return trusted.filter((sub) => {
    const joined = state.keys.get(sub);
    if (joined?.role !== 'trusted-worker' || !isMember(state, joined)) return false;
    return memberRevoked(state, { sub, ...joined }) === undefined;
  });
}

const hasRefused = (run: Run, worker: string): boolean => run.passedOver.get(worker)?.refused === true;

/** Whether a trusted worker refused to sign for a run. An agreement of operators does not outweigh that. */
export const isRefused = (state: ControllerState, run: Run): boolean =>
  run.passedOver.size > 0 && signers(state).some((id) => hasRefused(run, id));

/** Trusted workers other than this one that did not refuse to sign for a run. */
const otherSigners = (state: ControllerState, run: Run, worker: string): string[] =>
  signers(state).filter((id) => id !== worker && !hasRefused(run, id));

/** The ones of `otherSigners` that are connected and can read the offer. Not known at a replay. */
function signersThere(state: ControllerState, run: Run, worker: string): string[] {
  const { workers } = state.presence;
  const round = currentRound(run);
  const documents = round === undefined ? {} : documentsOffered(state, run, round);
  return otherSigners(state, run, worker).filter((id) => {
    const there = workers.get(id);
    return there !== undefined && isOfVersion(state, there, documents);
  });
}

/**
 * Whether others get the slot first: while one is there that lost fewer leases, at most for `passedOverMs`; the last lease, where it
 * lost all before. Never after it refused. Refused claims are not journaled, so this may look at who is there.
 */
export function isForAnother({ state, now, rules }: Transition, run: Run, worker: string): boolean {
  const own = run.passedOver.get(worker);
  if (own === undefined) return false;
  if (own.refused) return true;
  const lostBy = (id: string) => run.passedOver.get(id)?.lost ?? 0;
  if (now < own.until && signersThere(state, run, worker).some((id) => lostBy(id) < own.lost)) return true;
  // Under the rules before a worker could lose them all.
  return rules >= 3 && own.lost >= limits.slotLeasesMax - 1 && otherSigners(state, run, worker).length > 0;
}

const { cosignAbsentMsMax, cosignAnswerMsMax, cosignEndedMs } = controllerLimits;

/**
 * Since when a trusted worker is there without this lease, in ms since the epoch; undefined where it is gone. One that was not heard of on
 * the lease in this life of the controller has ended it: the journal is an older copy. Of another one the stream is broken, or its home lost.
 */
function withoutLease(
  { presence }: ControllerState,
  { id, worker }: LiveLease,
): { since: number; hasEnded: boolean } | undefined {
  const there = presence.workers.get(worker);
  const last = presence.heard.get(id);
  if (there === undefined || last === undefined || last.detachedAt === null) return undefined;
  return { since: Math.max(last.detachedAt, there.since), hasEnded: last.at <= presence.since };
}

/**
 * Runs that this trusted worker may have signed in a life of the controller that the journal does not have: those whose lease it has
 * ended, and a bounded number of those that were lost, the newest first.
 */
export function perhapsSigned(state: ControllerState, worker: string): string[] {
  const isWithout = (live: LiveLease) =>
    live.worker === worker && withoutLease(state, live)?.hasEnded === true;
  const open = [...state.index.open.values()].filter((run) => askedToSign(run).some(isWithout));
  const found = open.map(({ id }) => id);
  if (!state.recovered) return found;
  for (const run of state.index.latest()) {
    if (found.length >= open.length + controllerLimits.lostRunsAskedMax) break;
    if (isLostInRestore(run) && cosignersOf(run.request.payload.policy) > 0) found.push(run.id);
  }
  return found;
}

/** When a trusted worker that does not sign loses its lease, ms since the epoch; undefined while it need not, or for nobody. */
function handsOverAt(state: ControllerState, run: Run): { at: number; reason: string } | undefined {
  const [live] = askedToSign(run);
  if (run.phase.kind !== 'cosigning' || live === undefined || !hasTrustedLease(run)) return undefined;
  const { refusedAt } = run.phase;
  if (signersThere(state, run, live.worker).length === 0) {
    const without = withoutLease(state, live);
    if (refusedAt !== null || without === undefined) return undefined;
    const at = without.since + (without.hasEnded ? cosignEndedMs : cosignAnswerMsMax);
    return { at, reason: 'the worker is there, and does not resume its lease' };
  }
  if (refusedAt !== null)
    return { at: refusedAt, reason: 'the worker refused to sign, and another trusted worker is there' };
  const { heard, retries } = state.presence;
  const last = heard.get(live.id);
  const silentFrom =
    last === undefined ? undefined : (last.detachedAt ?? last.at + state.timings.leaseSilenceMs);
  const gone = silentFrom === undefined ? Number.POSITIVE_INFINITY : silentFrom + cosignAbsentMsMax;
  const late = (retries.get(run.phase)?.since ?? Number.POSITIVE_INFINITY) + cosignAnswerMsMax;
  const why = gone <= late ? 'is gone' : 'did not sign in time';
  const at = Math.min(gone, late);
  return at === Number.POSITIVE_INFINITY
    ? undefined
    : { at, reason: `the worker ${why}, and another trusted worker is there` };
}

/** When one of the two is due, ms since the epoch: that it makes room, or that nobody has come whom it could make room for. */
export function handOverDue(state: ControllerState, run: Run): number | undefined {
  return handsOverAt(state, run)?.at ?? endsUnsignedAt(run);
}

export function considerHandOver({ state, now, out }: Transition, run: Run): void {
  const due = handsOverAt(state, run);
  const [live] = askedToSign(run);
  if (due === undefined || live === undefined || now < due.at) return;
  out.push({ kind: 'raise', event: { kind: 'hand-over', lease: live.id, reason: due.reason } });
}

/** The draft is withdrawn and the slot is free again; what the first one built stays evidence. */
export function handOver(transition: Transition, { lease, reason }: EventOf<'hand-over'>): void {
  const { state } = transition;
  const run = runOfLease(state, lease);
  const live = run && askedToSign(run).find(({ id }) => id === lease);
  if (run === undefined || live === undefined) return transition.unchanged();
  loseTrusted(transition, run, live, reason);
}

/** The draft is withdrawn, and a trusted worker whose receipt is in loses its lease. */
export function loseTrusted(
  transition: Transition,
  run: Run,
  live: LiveLease,
  reason: string,
  code?: ErrorCode,
): void {
  withdrawDraft(run);
  run.trusted = { kind: 'leased', live };
  loseLease(transition, run, live.id, reason, code);
}

/** A trusted worker does not sign: another one is asked, or else nothing comes of the run. One refusal is no veto: the key may be stolen. */
export function cosignRefused(transition: Transition, run: Run, refusal: EventOf<'cosign-refused'>): void {
  const { state, now, rules } = transition;
  const { worker, verdict, code, message } = refusal;
  const { phase } = run;
  const isAsked = askedToSign(run).some((live) => live.worker === worker);
  if (!isAsked || phase.kind !== 'cosigning' || phase.refusedAt !== null) return transition.unchanged();
  if (verdict !== undefined && phase.draft.id !== verdict) return transition.unchanged();
  if (isPassing(code)) return delay(transition, run, phase, refusal);
  transition.tell(run, { kind: 'cosign-refused', worker, code, message });
  const { lost = 0, until = now } = run.passedOver.get(worker) ?? {};
  run.passedOver.set(worker, { lost, until, refused: true });
  const isLast = !hasTrustedLease(run) || otherSigners(state, run, worker).length === 0;
  // Under the rules before the first refusal ended a run.
  if (rules < 3 || isLast) return concludeRefused(transition, run);
  phase.refusedAt = now;
}

/** When a run ends whose trusted worker refused and where no other one has come, ms since the epoch. */
function endsUnsignedAt({ phase }: Run): number | undefined {
  if (phase.kind !== 'cosigning' || phase.refusedAt === null) return undefined;
  return phase.refusedAt + cosignAbsentMsMax;
}

export function endUnsigned(transition: Transition, run: Run): void {
  const at = endsUnsignedAt(run);
  if (at !== undefined && transition.now >= at) concludeRefused(transition, run);
}
