import { assert } from '../../../protocol/base/errors.ts';
import { type LogEntry, leaves } from '../../../protocol/documents/index.ts';
import type { BundleDraft } from '../events.ts';
import { type Endorsement, precedes } from '../facts.ts';
import { type ControllerState, documentsOf, type LoggedVerdict, publishedOf, type Run } from '../state.ts';
import { inputRunsOf } from '../verdicts/input-levels.ts';

/** The parts of the bundle of a run's published verdict; undefined before the first one, and once it is stored and the run is over. */
export function publishedParts(state: ControllerState, runId: string): BundleDraft | undefined {
  const run = state.runs.get(runId);
  return run === undefined ? undefined : publishedPartsOf(state, run);
}

/** The parts of the bundle of a run that may have left the state just now. */
export function publishedPartsOf(state: ControllerState, run: Run): BundleDraft | undefined {
  const published = publishedOf(run);
  return published === null ? undefined : partsOf(state, run, published.verdict, published.endorsement);
}

/** The parts of the bundle that a trusted worker is asked to co-sign. */
export function draftOf(state: ControllerState, runId: string): BundleDraft | undefined {
  const run = state.runs.get(runId);
  if (run?.phase.kind !== 'cosigning') return undefined;
  return partsOf(state, run, run.phase.draft, { kind: 'none' });
}

/** The parts of the bundle of a draft that reuses an earlier run, in the log of `size` leaves. */
export function reuseDraftOf(state: ControllerState, runId: string, size: number): BundleDraft | undefined {
  const run = state.runs.get(runId);
  if (run?.phase.kind !== 'answer-cosigning') return undefined;
  return partsOf(state, run, { ...run.phase.draft, size }, { kind: 'none' });
}

function partsOf(
  state: ControllerState,
  run: Run,
  { size: ownSize, payload, id, index, charter }: LoggedVerdict,
  endorsement: Endorsement,
): BundleDraft {
  const { size = ownSize } = 'size' in endorsement ? endorsement : {};
  const receipts = run.receipts.filter((recorded) => precedes(recorded.index, index));
  const entry = (leaf: string, at: number): LogEntry => {
    assert(state.log.leaves(at, at + 1)[0] === leaf, 'the log holds what the run says it does');
    return { leaf, index: at, path: state.log.inclusion(at, size) };
  };
  const rounds = run.rounds.filter(({ offer }) => precedes(offer.index, ownSize));
  return {
    controller: run.request.payload.aud,
    charter: charter.raw,
    request: run.request.raw,
    publisher: run.publisher.raw,
    job: run.job,
    inputs: evidenceBeside(state, run),
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
    endorsement,
  };
}

/** The runs that a run rests on, and the earlier ones of the same jobs that their verdicts and its own rest on, each once. */
function evidenceBeside(state: ControllerState, run: Run): string[] {
  const inputs = inputRunsOf(state, run.request.payload);
  const earlier = [run, ...inputs].flatMap((one) => one.reused?.id ?? []);
  return [...new Set([...inputs.map(({ id }) => id), ...earlier])];
}
