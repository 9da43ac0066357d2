import { QuorateError } from '../../../protocol/base/errors.ts';
import { limits } from '../../../protocol/base/limits.ts';
import { checkTime } from '../../../protocol/documents/index.ts';
import {
  checkGrant,
  checkRequest,
  checkTemplate,
  enforce,
  type Order,
} from '../../../protocol/judge/index.ts';
import { revocationAt, revokedError } from '../../../protocol/trust/revocations.ts';
import { controllerLimits } from '../limits.ts';
import { charterOf, type Moment } from '../members/charter.ts';
import { checkEnrolled } from '../members/enrolment.ts';
import { revocationsIn } from '../members/revocations.ts';
import { newTrustedSlot, openOffer, waitsForTrusted } from '../slots.ts';
import { currentRound, type EventOf, type Run, type Transition } from '../state.ts';
import { checkEvidenceSize, evidenceBytesOf } from '../verdicts/evidence-size.ts';
import { checkNeeds } from '../verdicts/input-levels.ts';
import { reuseOrBuild } from './reuse.ts';
import { decideRound, settle } from './settle.ts';

/**
 * Whether the controller takes this order now; changes nothing. @throws `DOC_…`, those of `checkRequest`, `checkTemplate`, `checkNeeds`,
 * `REQUEST_AUDIENCE_MISMATCH`, `KEY_NOT_ENROLLED`, `EVIDENCE_TOO_LARGE`, `…_REVOKED`.
 */
export function checkOrder(moment: Moment, order: Order): void {
  const { request, publisher, job, jobId } = order;
  const charter = charterOf(moment);
  checkTime(publisher.payload, moment.now, 'the grant');
  checkTime(request.payload, moment.now, 'the request');
  checkRequest(enforce, order, charter);
  const at = Math.floor(moment.now / 1000);
  checkGrant(enforce, publisher, charter, { by: request.signer, as: 'publisher', at });
  if (request.payload.aud !== moment.state.id)
    throw new QuorateError('REQUEST_AUDIENCE_MISMATCH', `the request is made to ${request.payload.aud}`);
  checkEnrolled(moment, publisher.payload);
  enforce(
    'JOB_INPUTS_MISMATCH',
    Object.keys(job.inputs).length === 0,
    'a job is published without inputs: its request says what it needs',
  );
  checkTemplate(enforce, request.payload, { job, id: jobId }, charter);
  checkNeeds(moment, request.payload);
  checkEvidenceSize(moment.state, order);
  checkOrderStands(moment, order);
}

/** @throws `JOB_REVOKED`, `IMAGE_REVOKED`. */
function checkOrderStands({ state }: Moment, { job, jobId }: Order): void {
  const all = revocationsIn(state);
  const revoked =
    revocationAt(all, { kind: 'job', id: jobId }, state.log.size) ??
    revocationAt(all, { kind: 'image', id: job.image }, state.log.size);
  if (revoked !== undefined) throw revokedError(revoked);
}

/** @throws `CONTROLLER_BUSY`. */
function checkRoom({ state }: Transition, operator: string): void {
  const open = [...state.index.open.values()];
  if (open.length >= limits.openRequestsMax)
    throw new QuorateError('CONTROLLER_BUSY', `${open.length} jobs are open; no more are taken`, {
      hint: 'Try again later.',
    });
  const own = open.filter((run) => run.publisher.payload.operator === operator).length;
  if (own >= controllerLimits.openRequestsPerPublisherMax)
    throw new QuorateError('CONTROLLER_BUSY', `${operator} has ${own} jobs open; no more are taken`, {
      hint: 'Try again when some of them have their verdicts; quorate cancel ends one.',
    });
}

/** A request opens one run, however often it is sent. Returns the new run, which is to wait for its inputs or to open. @throws those of `checkOrder`, `CONTROLLER_BUSY`, `RUN_LOST`. */
export function submit(
  transition: Transition,
  { token, around, ...order }: EventOf<'submit'>,
): Run | undefined {
  const { state } = transition;
  const { request, publisher, job, jobId, entropy } = order;
  const { repo, ref, commit, recipe } = request.payload;
  checkOrder(transition, order);
  const accepted = { kind: 'accepted' as const, run: request.id, job: jobId };
  if (state.index.get(request.id) !== undefined) {
    transition.reply(token, accepted);
    transition.unchanged();
    return undefined;
  }
  if (state.lost.has(request.id))
    throw new QuorateError(
      'RUN_LOST',
      'rounds of this request are in the log, and their documents are lost',
      { hint: 'Ask again with another request: quorate run.' },
    );
  checkRoom(transition, publisher.payload.operator);
  // A publisher does not submit an accepted job again, and one that waits for others has no leaf in the log yet.
  transition.mustSync();
  const run: Run = {
    id: request.id,
    request,
    publisher,
    job,
    jobId,
    entropy,
    submittedAt: transition.now,
    rounds: [],
    ...newTrustedSlot(),
    receipts: [],
    evidence: evidenceBytesOf(order),
    earlier: [],
    reused: null,
    documents: new Map(),
    drafts: new Set(),
    unserved: [],
    phase: { kind: 'waiting' },
    revoked: null,
    history: [],
  };
  state.runs.set(run.id, run);
  state.index.submitted(run);
  transition.reply(token, accepted);
  transition.tell(run, {
    kind: 'accepted',
    job: jobId,
    name: job.name,
    ...(job.kind === 'test' && { test: true }),
    repo,
    ref,
    commit,
    ...(recipe !== undefined && { recipe }),
  });
  if (around !== undefined) state.around = around;
  return run;
}

/** Reuses an earlier run or opens round 1; a suspended run goes on with its round, whose receipts count as before. */
export function openRun(transition: Transition, run: Run): void {
  const round = currentRound(run);
  if (round === undefined) return reuseOrBuild(transition, run);
  if (round.revealed) {
    run.phase = { kind: 'awaiting-trusted' };
    if (waitsForTrusted(run)) openOffer(transition, run, round);
    return decideRound(transition, run, round);
  }
  const { windowMs, slotFillMs } = transition.state.timings;
  run.phase = { kind: 'building' };
  if (round.windowOpen) round.windowEnds = transition.now + windowMs;
  round.fillBy = transition.now + windowMs + slotFillMs;
  openOffer(transition, run, round);
  settle(transition, run);
}
