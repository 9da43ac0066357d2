import { artifactOf, idOf, isTrustedSlot } from '../documents/index.ts';
import type { Run } from './state.ts';

/** Why a run ended as `disputed`. The level says only that there was no agreement. */
export const disputes = [
  /** Receipts came, and each of them says that the run was aborted. */
  'aborted',
  /** No receipt came: nobody took a slot, or whoever did was lost. */
  'not-built',
  /** Each build that ran to its end failed, and no trusted worker's has failed too. */
  'build-failed',
  'results-differ',
  /** Those who built it agree, and are fewer than the policy asks for. */
  'too-few',
  /** Agreed upon, and nobody could hand the bytes over. */
  'not-served',
  /** The trees are the same, and the operators list other files in them. */
  'files-differ',
  /** The request's time was up before what had come in was weighed. */
  'too-late',
  /** The trusted worker built something else than was agreed upon. */
  'contradicted',
  'cosign-refused',
] as const;
export type Dispute = (typeof disputes)[number];

/** For a run that is about to end without agreement, from all its rounds. */
export function disputeOf(run: Run): Dispute {
  const told = (kind: 'cosign-refused' | 'contradicted') =>
    run.history.some(({ progress }) => progress.kind === kind);
  if (told('cosign-refused')) return 'cosign-refused';
  if (told('contradicted')) return 'contradicted';
  if (run.phase.kind === 'pinning' || run.unserved.length > 0) return 'not-served';
  const receipts = run.receipts.filter(({ slot }) => !isTrustedSlot(slot));
  if (receipts.length === 0) return 'not-built';
  const ended = receipts.flatMap(({ outcome }) => (outcome.kind === 'exit' ? [outcome] : []));
  if (ended.length === 0) return 'aborted';
  if (ended.every(({ code }) => code !== 0)) return 'build-failed';
  const results = new Set(ended.map((outcome) => (outcome.code === 0 ? artifactOf(outcome) : outcome.code)));
  if (results.size > 1) return 'results-differ';
  const most = Math.max(
    ...run.rounds.map(
      ({ n }) => receipts.filter(({ round, outcome }) => round === n && outcome.kind === 'exit').length,
    ),
  );
  if (most < run.request.payload.policy.agree) return 'too-few';
  const files = new Set(receipts.map(({ receipt }) => idOf(receipt.payload.subject)));
  return files.size > 1 ? 'files-differ' : 'too-late';
}
