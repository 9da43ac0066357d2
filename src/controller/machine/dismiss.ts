import type { QuorateError } from '../../protocol/base/errors.ts';
import type { Grant, Verified } from '../../protocol/documents/index.ts';
import { tokenOf } from './presence.ts';
import { loseLease } from './rounds/leases.ts';
import { withdrawDraft } from './rounds/settle.ts';
import { currentRound, liveLeases, type Run, type Transition } from './state.ts';

/** Why the holder of a grant may not act any more. */
export type Refusal = (grant: Verified<Grant>) => QuorateError | undefined;

/**
 * Ends the claims and leases of a run whose holders may not act any more. The receipt of such a trusted worker confirms
 * nothing: another one may have its slot. Returns whether there was one.
 */
export function dismiss(transition: Transition, run: Run, refusal: Refusal): boolean {
  dismissCandidates(transition, run, refusal);
  for (const { id, grant } of liveLeases(run)) {
    const refused = refusal(grant);
    if (refused !== undefined) loseLease(transition, run, id, refused.message, refused.code);
  }
  return dismissTrusted(transition, run, refusal);
}

function dismissCandidates({ state, out }: Transition, run: Run, refusal: Refusal): void {
  const round = currentRound(run);
  if (round === undefined) return;
  round.candidates = round.candidates.filter((candidate) => {
    const token = tokenOf(state, candidate);
    const refused = refusal(candidate.grant);
    if (refused === undefined) return true;
    const { code, message } = refused;
    out.push({ kind: 'reply', token, reply: { kind: 'error', code, message } });
    return false;
  });
}

function dismissTrusted(transition: Transition, run: Run, refusal: Refusal): boolean {
  if (run.trusted.kind !== 'delivered' || run.trusted.live === null) return false;
  const { live } = run.trusted;
  const refused = refusal(live.grant);
  if (refused === undefined) return false;
  withdrawDraft(run);
  run.trusted = { kind: 'leased', live };
  loseLease(transition, run, live.id, refused.message, refused.code);
  return true;
}
