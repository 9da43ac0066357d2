import { assert } from '../../../protocol/base/errors.ts';
import { isoTime } from '../../../protocol/base/time.ts';
import {
  artifactOf,
  filesOf,
  idOf,
  leaves,
  makeVerdict,
  moreOfPush,
  pushWordsIn,
  type Verdict,
  type VerdictLevel,
} from '../../../protocol/documents/index.ts';
import { cosignersOf, limitText } from '../../../protocol/judge/index.ts';
import type { Decision } from '../../../protocol/trust/decide.ts';
import { countsUncosigned } from '../../../protocol/trust/not-cosigned.ts';
import { needsWitnesses, placedByWitnesses, witnessesNeeded } from '../../../protocol/trust/witnesses.ts';
import {
  artifactIn,
  type Cosignature,
  cosignedBy,
  type Endorsement,
  endorsementFacts,
  type FinishedRun,
  type PublishedFacts,
  type Recorded,
  type RunFacts,
  reportsIn,
  roundFacts,
} from '../facts.ts';
import { signedCharter } from '../members/charter.ts';
import { closeOffer, endLeases, releaseTrusted } from '../slots.ts';
import {
  currentRound,
  documentsOf,
  type EventOf,
  type LoggedVerdict,
  type Published,
  publishedOf,
  type Run,
  type Transition,
} from '../state.ts';
import { askedToSign, showDraft, waitForSignature } from './cosigning.ts';
import { endingOf, reachedLimit } from './decision.ts';
import { compareResults, compareWithEarlier, revealTrusted } from './results.ts';

/** A receipt that states this result: what a verdict about it takes outcome and files from. */
export function recordedWith(run: Run, result: string | null): Recorded | null {
  return run.receipts.find((recorded) => result !== null && recorded.result === result) ?? null;
}

/** The earlier verdict or the receipt that a verdict of this run with this result is about. */
export function aboutResult(run: Run, result: string | null): About {
  return run.reused === null ? recordedWith(run, result) : (publishedOf(run.reused)?.verdict ?? null);
}

/** Ends a run with a verdict about a result, once a trusted worker has co-signed or witnesses have signed, where the policy asks for that. */
export function conclude(transition: Transition, run: Run, level: VerdictLevel, about: About): void {
  if ((level === 'trusted' || level === 'failed') && cosignersOf(run.request.payload.policy) > 0) {
    if (run.reused !== null)
      return showReuse(transition, run, run.reused.id, writeVerdict(transition, run, level, about));
    const draft = writeVerdict(transition, run, level, about);
    run.phase = { kind: 'cosigning', draft, published: publishedOf(run), delayed: false, refusedAt: null };
    waitForSignature(transition, run.phase);
    const asked = askedToSign(run);
    assert(asked.length > 0, 'what needs the trusted worker has its receipt');
    for (const { worker } of asked) transition.tell(run, { kind: 'cosigning', worker });
    return showDraft(transition, run);
  }
  const { policy } = run.request.payload;
  const isReuse = run.reused !== null && transition.rules >= 3;
  const awaitsWitnesses = isReuse
    ? placedByWitnesses(policy, level)
    : needsWitnesses(policy, level, about?.outcome ?? null);
  if (awaitsWitnesses) {
    const draft = writeVerdict(transition, run, level, about);
    run.phase = { kind: 'witnessing', draft, published: publishedOf(run) };
    transition.state.presence.witnessed.delete(run.id);
    endBuilding(transition, run);
    return transition.tell(run, { kind: 'witnessing', ...witnessesNeeded(policy, draft.charter.payload) });
  }
  finish(transition, run, publish(transition, run, level, about));
}

function showReuse(transition: Transition, run: Run, earlier: string, draft: LoggedVerdict): void {
  run.phase = { kind: 'answer-cosigning', draft, published: null, delayed: false };
  waitForSignature(transition, run.phase);
  transition.tell(run, { kind: 'answer-cosigning', earlier });
  transition.out.push({ kind: 'cosign-answers' });
}

/** Ends a run that came to no result. */
export function concludeWithout(transition: Transition, run: Run, decision: Decision): void {
  const { level, ending } = endingOf(run, decision, transition.rules);
  const reached = reachedLimit(transition, run);
  const limit = reached?.stands === true ? reached.limit : undefined;
  finish(transition, run, publish(transition, run, level, null, ending, limit));
}

/** Ends a run that trusted workers do not sign. */
export const concludeRefused = (transition: Transition, run: Run): void =>
  finish(transition, run, publish(transition, run, 'disputed', null, 'cosign-refused'));

/** The subject of a verdict: a receipt of the run, or the verdict of an earlier one. */
export type About = Recorded | Pick<LoggedVerdict, 'outcome' | 'result'> | null;

function writeVerdict(transition: Transition, run: Run, level: VerdictLevel, about: About): LoggedVerdict {
  const { state } = transition;
  const charter = signedCharter(transition);
  const outcome = about?.outcome ?? null;
  const result = about?.result ?? null;
  const earlier = run.reused === null ? null : publishedOf(run.reused);
  assert(run.reused === null || earlier !== null, 'an earlier run has a verdict');
  const { payload, id } = newDraft(run, transition.now, (time) => ({
    controller: state.id,
    time: isoTime(time),
    // The earlier verdict lists them.
    files: about !== null && 'receipt' in about ? filesOf(documentsOf(run, about).receipt.payload) : [],
    facts: {
      ...aboutRun(run),
      project: charter.payload.project,
      level,
      outcome,
      ...(earlier && run.reused && { earlier: { request: run.reused.id, verdict: earlier.verdict.id } }),
    },
  }));
  const artifact = artifactOf(outcome);
  if (artifact !== null) state.index.decided(run, artifact);
  const index = transition.appendLeaf(leaves.verdict(id, run.jobId));
  return { payload, charter, id, index, level, outcome, result, size: state.log.size };
}

/** Two drafts of one moment that say the same would be one document, with two places in the log: the later one is a millisecond later. */
function newDraft(
  run: Run,
  now: number,
  said: (time: number) => Parameters<typeof makeVerdict>[0],
): { payload: Verdict; id: string } {
  for (let time = now; ; time++) {
    const payload = makeVerdict(said(time));
    const id = idOf(payload);
    if (run.drafts.has(id)) continue;
    run.drafts.add(id);
    return { payload, id };
  }
}

function aboutRun(run: Run) {
  const { repo, ref, commit, recipe, policy } = run.request.payload;
  const { name, kind } = run.job;
  return {
    job: run.jobId,
    name,
    ...(kind !== undefined && { kind }),
    request: run.id,
    repo,
    ref,
    commit,
    ...(recipe !== undefined && { recipe }),
    policy,
    receipts: run.receipts.map(({ receipt, worker, operator, slot, round, index, outcome }) => ({
      receipt,
      worker,
      operator,
      slot,
      round,
      index,
      outcome,
    })),
  };
}

export function publish(
  transition: Transition,
  run: Run,
  level: VerdictLevel,
  about: About,
  ending: PublishedFacts['ending'] = null,
  limit?: PublishedFacts['limit'],
): Published {
  const verdict = writeVerdict(transition, run, level, about);
  const published: Published = { verdict, endorsement: { kind: 'none' }, ending, limit };
  announceVerdict(transition, run, published);
  return published;
}

/** The trusted worker signed: the draft is published as it was sent. */
export function cosigned(
  transition: Transition,
  run: Run,
  { worker, verdict, signature, witness }: EventOf<'cosigned'>,
): void {
  const isAsked = askedToSign(run).some((live) => live.worker === worker);
  if (!isAsked || run.phase.kind !== 'cosigning' || run.phase.draft.id !== verdict)
    return transition.unchanged();
  signed(transition, run, run.phase.draft, { worker, signature, witness });
}

/** Takes a signature on a draft, and on the log of `size` leaves where that is a later one than the verdict's. */
export function signed(
  transition: Transition,
  run: Run,
  draft: LoggedVerdict,
  by: Cosignature,
  size?: number,
): void {
  endorse(transition, run, draft, cosignedBy([by], size));
}

/** Ends a run with its draft, which has the signatures that it waited for. */
export function endorse(transition: Transition, run: Run, verdict: LoggedVerdict, by: Endorsement): void {
  const published: Published = { verdict, endorsement: by, ending: null };
  announceVerdict(transition, run, published);
  finish(transition, run, published);
}

function tellResults(transition: Transition, run: Run, published: Published): void {
  compareResults(transition, run, published);
  revealTrusted(transition, run);
}

function announceVerdict(transition: Transition, run: Run, published: Published): void {
  const { verdict, ending, limit } = published;
  const { level, outcome } = verdict;
  // Followers of the run stop at its last verdict.
  if (level !== 'agreed') tellResults(transition, run, published);
  const reports = reportsIn(run, outcome);
  run.revoked = null;
  transition.out.push({ kind: 'verdict', run: run.id });
  if (hasEvidence(run)) transition.state.unstored.add(run.id);
  transition.tell(run, {
    kind: 'verdict',
    level,
    artifact: artifactIn(run, outcome),
    ...(reports !== null && { reports }),
    ...(countsUncosigned(run.request.payload.policy, level) && { cosigned: false }),
    ...(ending !== null && { reason: ending }),
    ...(limit !== undefined && { limit: limitText(limit) }),
  });
}

/** Whether a run has evidence for its verdict: receipts, or those of the earlier run that it reuses. */
export function hasEvidence({ receipts, reused }: Pick<RunFacts, 'receipts' | 'reused'>): boolean {
  return receipts.length > 0 || reused !== null;
}

/** Ends the leases and the offer of a run. */
function endBuilding(transition: Transition, run: Run): void {
  const round = currentRound(run);
  if (round !== undefined) closeOffer(transition, round);
  endLeases(transition, run);
}

/** Ends a run with this as its last verdict: nothing of it is leased or offered any more. */
export function finish(transition: Transition, run: Run, published: Published): void {
  transition.mustSync();
  if (run.receipts.length > 0) {
    compareWithEarlier(transition, run, published);
    transition.state.index.built(run);
  }
  run.phase = { kind: 'done', published };
  tellResults(transition, run, published);
  // Final: runs that read it are looked at again even if the verdict is unchanged.
  transition.dirty.add(run.id);
  transition.state.index.ended(run);
  transition.state.presence.witnessed.delete(run.id);
  endBuilding(transition, run);
  for (const { worker, id: lease } of releaseTrusted(transition, run))
    transition.out.push({ kind: 'reveal', worker, lease });
  retire(transition, run);
}

/** Drops the documents of a run that is over, once its bundle is stored or where it has none. */
export function retire({ state }: Transition, run: Run): void {
  const finished = finishedOf(run);
  if (finished === undefined) return;
  if (publishedOf(run) === null) state.unstored.delete(run.id);
  if (state.unstored.has(run.id)) return;
  state.runs.delete(run.id);
  state.finished.set(run.id, finished);
  state.index.replaced(finished);
}

/** The facts that are kept of a run that has ended; undefined for one that has not. */
export function finishedOf(run: RunFacts): FinishedRun | undefined {
  const { id, jobId, submittedAt, receipts, earlier, reused, evidence, revoked, history, phase } = run;
  if (phase.kind !== 'done' && phase.kind !== 'cancelled') return undefined;
  const { name, kind, image, limits, inputs } = run.job;
  const { aud, repo, ref, commit, recipe, policy, exp, needs } = run.request.payload;
  const { operator } = run.publisher.payload;
  // Other members that its publisher wrote are not kept.
  const more = moreOfPush(pushWordsIn(run.request.payload));
  return {
    id,
    jobId,
    job: { name, kind, image, limits, inputs },
    request: {
      signer: run.request.signer,
      payload: { aud, repo, ref, commit, recipe, policy, exp, needs, ...(more !== undefined && { more }) },
    },
    publisher: { signer: run.publisher.signer, payload: { operator } },
    submittedAt,
    rounds: roundFacts(run),
    // The lists and not copies: a session may be reading them to somebody.
    receipts,
    evidence,
    earlier,
    history,
    reused,
    revoked,
    phase:
      phase.kind === 'done'
        ? { kind: 'done', published: factsOf(phase.published) }
        : { ...phase, published: phase.published === null ? null : factsOf(phase.published) },
  };
}

function factsOf({ verdict, endorsement, ending, limit }: PublishedFacts): PublishedFacts {
  const { id, index, charter, level, outcome, result } = verdict;
  return {
    verdict: { id, index, charter, level, outcome, result },
    endorsement: endorsementFacts(endorsement),
    ending,
    limit,
  };
}
