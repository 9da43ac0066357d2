import { limits } from '../../../protocol/base/limits.ts';
import { otherSigners, signersThere } from '../another-trusted.ts';
import { controllerLimits } from '../limits.ts';
import {
  type ControllerState,
  type EventOf,
  type Run,
  type Transition,
  tell,
  trustedLease,
  unchanged,
} from '../state.ts';
import { delay, isPassing } from '../verdicts/cosigning.ts';
import { concludeRefused } from '../verdicts/verdict.ts';
import { loseLease } from './leases.ts';
import { withdrawDraft } from './settle.ts';

const { cosignAbsentMsMax, cosignAnswerMsMax } = controllerLimits;

/**
 * When the trusted worker whose signature is waited for makes room for another one, in ms since the epoch, and why; undefined
 * while it need not, or there is no other, or the slot was leased as often as it may be.
 */
function handsOverAt(state: ControllerState, run: Run): { at: number; reason: string } | undefined {
  const live = trustedLease(run);
  if (run.phase.kind !== 'cosigning' || live === null) return undefined;
  if (run.trustedLeases >= limits.slotLeasesMax) return undefined;
  if (signersThere(state, run, live.worker).length === 0) return undefined;
  const { refusedAt } = run.phase;
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

/** Raises the event once it is time. */
export function considerHandOver({ state, now, out }: Transition, run: Run): void {
  const due = handsOverAt(state, run);
  const live = trustedLease(run);
  if (due === undefined || live === null || now < due.at) return;
  out.push({ kind: 'raise', event: { kind: 'hand-over', lease: live.id, reason: due.reason } });
}

/** The draft is withdrawn and the slot is free again; what the first one built stays evidence. */
export function handOver(transition: Transition, { lease, reason }: EventOf<'hand-over'>): void {
  const { state } = transition;
  const run = state.runs.get(state.leases.get(lease) ?? '');
  if (run === undefined || run.phase.kind !== 'cosigning' || run.phase.lease !== lease)
    return unchanged(transition);
  const live = trustedLease(run);
  if (live === null) return unchanged(transition);
  withdrawDraft(run);
  run.trusted = { kind: 'leased', live };
  loseLease(transition, run, lease, reason);
}

/** A trusted worker does not sign: another one is asked, or else nothing comes of the run. One refusal is no veto: the key may be stolen. */
export function cosignRefused(transition: Transition, run: Run, refusal: EventOf<'cosign-refused'>): void {
  const { state, now, rules } = transition;
  const { worker, verdict, code, message } = refusal;
  const { phase } = run;
  if (phase.kind !== 'cosigning' || phase.worker !== worker || phase.refusedAt !== null)
    return unchanged(transition);
  if (verdict !== undefined && phase.draft.id !== verdict) return unchanged(transition);
  if (isPassing(code)) return delay(transition, run, phase, refusal);
  tell(transition, run, { kind: 'cosign-refused', worker, code, message });
  const { lost = 0, until = now } = run.passedOver.get(worker) ?? {};
  run.passedOver.set(worker, { lost, until, refused: true });
  const isLast = run.trustedLeases >= limits.slotLeasesMax || otherSigners(state, run, worker).length === 0;
  // Under the rules before the first refusal ended a run.
  if (rules < 3 || isLast) return concludeRefused(transition, run);
  phase.refusedAt = now;
}

/** When a run ends whose trusted worker refused and where no other one has come, ms since the epoch. */
function endsUnsignedAt({ phase }: Run): number | undefined {
  if (phase.kind !== 'cosigning' || phase.refusedAt === null) return undefined;
  return phase.refusedAt + cosignAbsentMsMax;
}

/** Ends it once it is time. */
export function endUnsigned(transition: Transition, run: Run): void {
  const at = endsUnsignedAt(run);
  if (at !== undefined && transition.now >= at) concludeRefused(transition, run);
}
