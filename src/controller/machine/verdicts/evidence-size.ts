import { QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { sizeTexts } from '../../../protocol/base/quantity.ts';
import { encodeJob } from '../../../protocol/documents/index.ts';
import {
  type Order,
  receiptBytesMaxOf,
  receiptShareOf,
  roundBytesMaxOf,
  runBytesMaxOf,
} from '../../../protocol/judge/index.ts';
import { isOver, type RunFacts } from '../facts.ts';
import type { ControllerState, Run, Transition } from '../state.ts';
import { inputRunsOf } from './input-levels.ts';

const { bundleBytesMax, pipelineJobsMax } = limits;

/** Bytes that a bundle holds of a run that was just published. */
export function evidenceBytesOf({ job }: Pick<Order, 'job'>): RunFacts['evidence'] {
  return { own: runBytesMaxOf(job, encodeJob(job).bytes.length), receipts: 0 };
}

/** Bytes that a bundle holds of a run by now, at most. */
export const bundleBytesOf = ({ evidence: { own, receipts } }: Pick<RunFacts, 'evidence'>): number =>
  own + receipts;

/** Drops the earlier run that a run reuses: its draft was not signed, or is not to be. */
export function dropReuse(run: Run): void {
  if (run.reused === null) return;
  run.evidence = { ...run.evidence, receipts: run.evidence.receipts - bundleBytesOf(run.reused) };
  run.reused = null;
}

/** Bytes that it may come to, if no further round is opened: the first one in the worst case, also of a run that may be built again on other bytes. */
function mayCome(run: RunFacts): number {
  const { own, receipts } = run.evidence;
  const round = roundBytesMaxOf(run.job, run.request.payload.policy);
  const isLater = run.phase.kind === 'building' && run.rounds.length > 1;
  // Once a round has ended the trusted worker's build may still come.
  const toCome = isOver(run) ? 0 : isLater ? round : receiptShareOf(receiptBytesMaxOf(run.job));
  return own + Math.max(round, receipts + toCome);
}

const sum = (runs: readonly RunFacts[]): number => runs.reduce((all, run) => all + mayCome(run), 0);

/** Whether the evidence of a job and of all that it rests on stays readable in the worst case. @throws `EVIDENCE_TOO_LARGE`. */
export function checkEvidenceSize(state: ControllerState, order: Pick<Order, 'job' | 'request'>): void {
  const { payload } = order.request;
  const inputs = inputRunsOf(state, payload);
  if (inputs.length > pipelineJobsMax)
    throw new QuorateError(
      'EVIDENCE_TOO_LARGE',
      `${order.job.name} rests on over ${pipelineJobsMax} jobs, whose evidence it would have to bring`,
      { hint: 'Let it need fewer jobs, directly and by way of others.' },
    );
  const bytes = evidenceBytesOf(order).own + roundBytesMaxOf(order.job, payload.policy) + sum(inputs);
  if (bytes <= bundleBytesMax) return;
  const [size, most] = sizeTexts(bytes, bundleBytesMax);
  throw new QuorateError(
    'EVIDENCE_TOO_LARGE',
    `the evidence of ${order.job.name}${inputs.length === 0 ? '' : ` and of the ${inputs.length} jobs that it rests on`} may come to ${size}; at most ${most} are read`,
    { hint: 'Each output file is a line in each receipt: lower limits.files of these jobs, or trust.of.' },
  );
}

/** Bytes that one more round of a run may add, at most. */
export const roundBytesOf = ({ job, request }: RunFacts): number =>
  roundBytesMaxOf(job, request.payload.policy);

/** Whether the bundles of a run, and of what its publisher has rest on it, stay readable with so many bytes more. */
export function hasRoom({ state, rules }: Transition, run: RunFacts, more: number): boolean {
  return unreadable(state, run, more).every((one) => rules >= 3 && isOfAnother(run, one));
}

/** The open runs of other publishers that rest on a run and could not be read with so many bytes more: they are to end. */
export function crowdedOut({ state }: Transition, run: RunFacts, more = 0): Run[] {
  return unreadable(state, run, more).flatMap((one) =>
    isOfAnother(run, one) ? (state.index.open.get(one.id) ?? []) : [],
  );
}

export const crowdedOutSays = 'with the evidence of what it rests on it would be more than anybody reads';

const isOfAnother = (run: RunFacts, reader: RunFacts): boolean =>
  reader.publisher.payload.operator !== run.publisher.payload.operator;

/** The runs, of this one and all that rest on it, whose bundles would be too large to read with so many bytes more. */
function unreadable(state: ControllerState, run: RunFacts, more: number): RunFacts[] {
  const comes = bundleBytesOf(run) + more;
  const touched = new Map<string, RunFacts>([[run.id, run]]);
  // A map that grows while it is walked. One that is done may be built again.
  for (const id of touched.keys())
    for (const reader of state.index.readersOf([id]))
      if (reader.phase.kind !== 'cancelled') touched.set(reader.id, reader);
  return [...touched.values()].filter((one) => {
    const others = [one, ...inputRunsOf(state, one.request.payload)].filter(({ id }) => id !== run.id);
    return comes + sum(others) > bundleBytesMax;
  });
}
