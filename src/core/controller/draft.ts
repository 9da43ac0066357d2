import { type LogEntry, leaves } from '../documents/index.ts';
import { assert } from '../errors.ts';
import type { BundleDraft } from './events.ts';
import { type ControllerState, documentsOf, verdictOf } from './state.ts';

/** The parts of a run's bundle, as of its last verdict; undefined before the first one, and once it is stored and the run is over. */
export function draftOf(state: ControllerState, runId: string): BundleDraft | undefined {
  const run = state.runs.get(runId);
  const verdict = run === undefined ? null : verdictOf(run);
  if (run === undefined || verdict === null) return undefined;
  const { size, payload, id, index, charter } = verdict;
  const receipts = run.receipts.filter((recorded) => recorded.index < index);
  const entry = (leaf: string, at: number): LogEntry => {
    assert(state.log.leaves(at, at + 1)[0] === leaf, 'the log holds what the run says it does');
    return { leaf, index: at, path: state.log.inclusion(at, size) };
  };
  const rounds = run.rounds.filter(({ offer }) => offer.index < size);
  return {
    charter: charter.raw,
    request: run.request.raw,
    publisher: run.publisher.raw,
    job: run.job,
    offers: rounds.map(({ offer }) => offer),
    receipts: receipts.map((recorded) => {
      const { receipt, lease, grant } = documentsOf(run, recorded);
      return { envelope: receipt.raw, lease, grant: grant.raw };
    }),
    verdict: payload,
    checkpoint: { size, root: state.log.root(size) },
    entries: [
      ...rounds.map(({ offer, offerId }) => entry(leaves.offer(offerId, run.jobId, run.id), offer.index)),
      ...receipts.map((recorded) => {
        const { offer } = documentsOf(run, recorded).lease;
        return entry(leaves.receipt(recorded.receipt, offer), recorded.index);
      }),
      entry(leaves.verdict(id, run.jobId), index),
    ],
    cosignature: run.phase.kind === 'done' ? run.phase.published.cosignature : null,
  };
}
