import { limits } from '../limits.ts';
import { canRead } from '../wire/peer-version.ts';
import { loseLease } from './leases.ts';
import { controllerLimits } from './limits.ts';
import { documentsOffered } from './older.ts';
import { withdrawDraft } from './settle.ts';
import {
  type ControllerState,
  currentRound,
  type EventOf,
  type Run,
  type Transition,
  trustedLease,
  unchanged,
} from './state.ts';

const { cosignAbsentMsMax, cosignAnswerMsMax, handedOverMs } = controllerLimits;

/** Whether a trusted worker is there that could take the place of this one. */
function hasAnother(state: ControllerState, run: Run, worker: string): boolean {
  const { presence, charter } = state;
  const round = currentRound(run);
  const documents = round === undefined ? {} : documentsOffered(state, run, round);
  for (const [id, { role, version }] of presence.workers)
    if (role === 'trusted-worker' && id !== worker && canRead(version, documents))
      if (charter?.payload.trusted.includes(id) === true) return true;
  return false;
}

/**
 * When the trusted worker whose signature is waited for makes room for another one, in ms since the epoch, and why; undefined
 * while it need not, or there is no other, or the slot was leased as often as it may be.
 */
export function handsOverAt(state: ControllerState, run: Run): { at: number; reason: string } | undefined {
  const live = trustedLease(run);
  if (run.phase.kind !== 'cosigning' || live === null) return undefined;
  if (run.trustedLeases >= limits.slotLeasesMax || !hasAnother(state, run, live.worker)) return undefined;
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

/** Raises the event once it is time. */
export function considerHandOver({ state, now, out }: Transition, run: Run): void {
  const due = handsOverAt(state, run);
  const live = trustedLease(run);
  if (due === undefined || live === null || now < due.at) return;
  out.push({ kind: 'raise', event: { kind: 'hand-over', lease: live.id, reason: due.reason } });
}

/** The draft is withdrawn and the slot is free again; what the first one built stays evidence. */
export function handOver(transition: Transition, { lease, reason }: EventOf<'hand-over'>): void {
  const { state, now } = transition;
  const run = state.runs.get(state.leases.get(lease) ?? '');
  if (run === undefined || run.phase.kind !== 'cosigning' || run.phase.lease !== lease)
    return unchanged(transition);
  const live = trustedLease(run);
  if (live === null) return unchanged(transition);
  withdrawDraft(run);
  run.handedOver = { worker: live.worker, until: now + handedOverMs };
  run.trusted = { kind: 'leased', live };
  loseLease(transition, run, lease, reason);
}
