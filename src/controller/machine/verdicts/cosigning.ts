import { controllerLimits } from '../limits.ts';
import { trustedLeases } from '../slots.ts';
import type { ControllerState, EventOf, LiveLease, Run, Transition } from '../state.ts';

/** Areas of codes that say what is wrong with a connection, or with a worker's own host: nothing about a draft. */
const passingAreas = ['MESH', 'CONTROLLER', 'HOME', 'STORE', 'JOURNAL', 'CLOCK'] as const;
/** Refusals that compare a draft with a clock: that of the worker or of the controller may be the wrong one, and be set. */
const passingClocks: readonly string[] = ['VERDICT_FROM_FUTURE', 'REQUEST_OVER', 'COSIGN_WITNESS_TIME'];
/** Codes of the system and of its runtime: `ENOSPC`, `EMFILE`, `ERR_…`, `ABORT_ERR`. */
const ofSystem = /^(?:E[A-Z0-9]+|ERR_[A-Z0-9_]+|ABORT_ERR)$/;

/** Whether a refusal is about a connection, a clock or the worker's own host, and may pass. Any other code says that the draft does not hold. */
export function isPassing(code: string): boolean {
  return (
    code === 'INTERNAL' ||
    ofSystem.test(code) ||
    passingClocks.includes(code) ||
    passingAreas.some((area) => code.startsWith(`${area}_`))
  );
}

/** Starts the clock of a draft that waits for its signature. */
export function waitForSignature({ state, now }: Transition, draft: object): void {
  state.presence.retries.set(draft, { since: now, tries: 0, at: null });
}

/** Waits twice as long each time; what is said meanwhile changes nothing. */
function showLater({ state, now }: Transition, draft: object): void {
  const { cosignRetryMs, cosignRetryMsMax } = controllerLimits;
  const { since, tries, at: due } = state.presence.retries.get(draft) ?? { since: now, tries: 0, at: null };
  if (due !== null) return;
  const at = now + Math.min(cosignRetryMsMax, cosignRetryMs * 2 ** tries);
  state.presence.retries.set(draft, { since, tries: tries + 1, at });
}

/** Why a draft was not signed may pass: it is shown again later, which is told once. */
export function delay(
  transition: Transition,
  run: Run,
  phase: { delayed: boolean },
  refusal: Pick<EventOf<'cosign-refused'>, 'worker' | 'code' | 'message'>,
): void {
  showLater(transition, phase);
  // Told once: it may be repeated for as long as the request lasts.
  if (phase.delayed) return transition.unchanged();
  phase.delayed = true;
  const { worker, code, message } = refusal;
  transition.tell(run, { kind: 'cosign-delayed', worker, code, message });
}

/** Leases of the trusted workers that are asked to sign the draft of a run that was built. */
export const askedToSign = (run: Run): LiveLease[] =>
  run.phase.kind === 'cosigning' ? trustedLeases(run) : [];

export function showDraft({ out }: Pick<Transition, 'out'>, run: Run): void {
  for (const { worker, id: lease } of askedToSign(run))
    out.push({ kind: 'cosign', run: run.id, worker, lease });
}

/** Shows a draft again whose check failed for a reason that may have passed, once it is time. */
export function showAgain(transition: Transition, run: Run): void {
  const { state, now, out } = transition;
  const at = showsAgainAt(state, run);
  const { phase } = run;
  if (at === undefined || now < at || (phase.kind !== 'cosigning' && phase.kind !== 'answer-cosigning'))
    return;
  const { since, tries } = state.presence.retries.get(phase) ?? { since: now, tries: 0 };
  state.presence.retries.set(phase, { since, tries, at: null });
  if (phase.kind === 'answer-cosigning') return void out.push({ kind: 'cosign-answers' });
  showDraft(transition, run);
}

/** When a draft is shown again, ms since the epoch; undefined where it is not. */
export function showsAgainAt({ presence }: ControllerState, { phase }: Run): number | undefined {
  return presence.retries.get(phase)?.at ?? undefined;
}
