import { artifactOf, isTrustedSlot } from '../documents/index.ts';
import { ownFailureCounts } from '../trust/decide.ts';
import type { Dispute } from './dispute-reasons.ts';
import type { Run } from './state.ts';

/** The reason why a run ends without agreement, from all its rounds. */
export function disputeOf(run: Run): Dispute {
  const told = (kind: 'cosign-refused' | 'contradicted') =>
    run.history.some(({ progress }) => progress.kind === kind);
  if (told('cosign-refused')) return 'cosign-refused';
  if (told('contradicted')) {
    const trusted = run.receipts.flatMap(({ slot, outcome }) =>
      isTrustedSlot(slot) && outcome.kind === 'exit' ? [outcome.code] : [],
    );
    return trusted.every((code) => code !== 0) ? 'trusted-failed' : 'contradicted';
  }
  if (run.phase.kind === 'pinning' || run.unserved.length > 0) return 'not-served';
  const receipts = run.receipts.filter(({ slot }) => !isTrustedSlot(slot));
  if (receipts.length === 0) {
    const taken = run.rounds.some(({ leasesGiven }) => leasesGiven.some((given) => given > 0));
    return !taken && run.rounds.some(({ passed }) => passed.size > 0) ? 'not-taken' : 'not-built';
  }
  const ended = receipts.flatMap(({ outcome }) => (outcome.kind === 'exit' ? [outcome] : []));
  if (ended.length === 0) return 'aborted';
  const unconfirmed = !ownFailureCounts(run.request.payload.policy, run.job);
  if (unconfirmed && ended.every(({ code }) => code !== 0)) return 'build-failed';
  const results = new Set(ended.map((outcome) => `${outcome.code} ${artifactOf(outcome) ?? ''}`));
  if (results.size > 1) return 'results-differ';
  const most = Math.max(
    ...run.rounds.map(
      ({ n }) => receipts.filter(({ round, outcome }) => round === n && outcome.kind === 'exit').length,
    ),
  );
  if (most < run.request.payload.policy.agree) return 'too-few';
  return new Set(receipts.flatMap(({ result }) => result ?? [])).size > 1 ? 'files-differ' : 'too-late';
}
