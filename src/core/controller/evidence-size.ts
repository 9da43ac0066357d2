import { encodeJob } from '../documents/index.ts';
import { QuorateError } from '../errors.ts';
import {
  type Order,
  receiptBytesMaxOf,
  receiptShareOf,
  roundBytesMaxOf,
  runBytesMaxOf,
} from '../judge/index.ts';
import { limits } from '../limits.ts';
import { sizeTexts } from '../quantity.ts';
import { isOver, type RunFacts } from './facts.ts';
import { restsOn } from './needs.ts';
import type { ControllerState, Run } from './state.ts';

const { bundleBytesMax, pipelineJobsMax } = limits;

/** What a bundle holds of a run that was just published. */
export function evidenceOf({ job }: Pick<Order, 'job'>): RunFacts['evidence'] {
  return { own: runBytesMaxOf(job, encodeJob(job).bytes.length), receipts: 0 };
}

/** What a bundle holds of a run by now, at most. */
export const bytesOf = ({ evidence: { own, receipts } }: Pick<RunFacts, 'evidence'>): number =>
  own + receipts;

/** A run rests on no earlier one any more: its answer was not signed, or is not to be. */
export function dropAnswer(run: Run): void {
  if (run.answer === null) return;
  run.evidence = { ...run.evidence, receipts: run.evidence.receipts - bytesOf(run.answer) };
  run.answer = null;
}

/** What it may come to hold, if no further round is opened: the first one in the worst case, also of a run that may be built again on other bytes. */
function mayCome(run: RunFacts): number {
  const { own, receipts } = run.evidence;
  const round = roundBytesMaxOf(run.job, run.request.payload.policy);
  const isLater = run.phase.kind === 'building' && run.rounds.length > 1;
  // Once a round has ended the trusted worker's build may still come.
  const toCome = isOver(run) ? 0 : isLater ? round : receiptShareOf(receiptBytesMaxOf(run.job));
  return own + Math.max(round, receipts + toCome);
}

const sum = (runs: readonly RunFacts[]): number => runs.reduce((all, run) => all + mayCome(run), 0);

/**
 * Whether what this job comes to can be read: its bundle holds the evidence of all that it rests on, and has to be within what
 * everybody reads even where each build puts out as many files as its job allows. Errors: `EVIDENCE_TOO_LARGE`.
 */
export function checkEvidenceSize(state: ControllerState, order: Pick<Order, 'job' | 'request'>): void {
  const { payload } = order.request;
  const inputs = restsOn(state, payload);
  if (inputs.length > pipelineJobsMax)
    throw new QuorateError(
      'EVIDENCE_TOO_LARGE',
      `${order.job.name} rests on over ${pipelineJobsMax} jobs, whose evidence it would have to bring`,
      { hint: 'Let it need fewer jobs, directly and by way of others.' },
    );
  const bytes = evidenceOf(order).own + roundBytesMaxOf(order.job, payload.policy) + sum(inputs);
  if (bytes <= bundleBytesMax) return;
  const [size, most] = sizeTexts(bytes, bundleBytesMax);
  throw new QuorateError(
    'EVIDENCE_TOO_LARGE',
    `the evidence of ${order.job.name}${inputs.length === 0 ? '' : ` and of the ${inputs.length} jobs that it rests on`} may come to ${size}; at most ${most} are read`,
    { hint: 'Each output file is a line in each receipt: lower limits.files of these jobs, or trust.of.' },
  );
}

/** Whether a further round leaves the bundles readable of this run, and of what rests on it. */
export function roomForRound(state: ControllerState, run: RunFacts): boolean {
  return fits(state, run, bytesOf(run) + roundBytesMaxOf(run.job, run.request.payload.policy));
}

/** Whether they stay readable where this run brings the evidence of an earlier one, and is not built. */
export function roomForEarlier(state: ControllerState, run: RunFacts, earlier: RunFacts): boolean {
  return fits(state, run, bytesOf(run) + bytesOf(earlier));
}

/** `comes`: what this run comes to. */
function fits(state: ControllerState, run: RunFacts, comes: number): boolean {
  const touched = new Map<string, RunFacts>([[run.id, run]]);
  // A map that grows while it is walked. One that is done may be built again.
  for (const id of touched.keys())
    for (const reader of state.index.readersOf([id]))
      if (reader.phase.kind !== 'cancelled') touched.set(reader.id, reader);
  return [...touched.values()].every((one) => {
    const others = [one, ...restsOn(state, one.request.payload)].filter(({ id }) => id !== run.id);
    return comes + sum(others) <= bundleBytesMax;
  });
}
