import { artifactOf, isTrustedSlot, type VerdictLevel } from '../../../protocol/documents/index.ts';
import { cosignersOf } from '../../../protocol/judge/policy.ts';
import { atLeast, isCheap, provenBy } from '../../../protocol/trust/decide.ts';
import { mayBeAnswered } from '../../../protocol/trust/earlier.ts';
import { type Revoked, voteRevoked } from '../../../protocol/trust/revocations.ts';
import type { FinishedRun, PublishedFacts, RunFacts } from '../facts.ts';
import { publisherLapsed, signedCharter } from '../members/charter.ts';
import { revocationsIn } from '../members/revocations.ts';
import { type ControllerState, type EventOf, publishedOf, type Run, type Transition } from '../state.ts';
import { delay, isPassing } from '../verdicts/cosigning.ts';
import { bundleBytesOf, crowdedOut, crowdedOutSays, dropReuse, hasRoom } from '../verdicts/evidence-size.ts';
import { inputsTrusted } from '../verdicts/input-levels.ts';
import { endedAt } from '../verdicts/results.ts';
import { levelOfEarlier, runVoidedBy } from '../verdicts/review.ts';
import { conclude, finish, finishedOf, publish, signed } from '../verdicts/verdict.ts';
import { endRun } from './cancel.ts';
import { openRound } from './open-round.ts';
import { askToPin, countAnswer } from './pin.ts';

/** An earlier run of the same job, and the level that its evidence gives a later one. */
interface Found {
  run: FinishedRun;
  published: PublishedFacts;
  level: Extract<VerdictLevel, 'agreed' | 'trusted'>;
}

/** Reuses an earlier run whose evidence is enough for this request today; opens the first round otherwise, or ends a lapsed run. */
export function reuseOrBuild(transition: Transition, run: Run): void {
  const lapsed = publisherLapsed(transition, run);
  if (lapsed !== undefined) return endRun(transition, run, lapsed);
  const found = reusableRun(transition, run);
  if (found === undefined) return openRound(transition, run);
  const artifact = artifactOf(found.published.verdict.outcome);
  if (artifact === null) return reuseEarlierRun(transition, run, found);
  run.phase = { kind: 'answering', from: found.run.id, artifact, answers: { by: [], failed: [] } };
  pinReusedArtifact(transition, run);
}

/** Has the artifact of the earlier run pinned: it may have been removed since. */
export function pinReusedArtifact(transition: Transition, run: Run): void {
  if (run.phase.kind !== 'answering') return;
  askToPin(transition, run, run.phase, transition.state.index.get(run.phase.from)?.receipts ?? []);
}

/** Takes the outcome of that pin. Looks for an earlier run again: a revocation or the end of another run may have come meanwhile. */
export function reusedArtifactPinned(transition: Transition, run: Run, event: EventOf<'pinned'>): void {
  const { artifact, detail } = event;
  if (run.phase.kind !== 'answering' || run.phase.artifact !== artifact) return transition.unchanged();
  const { from: earlier, answers } = run.phase;
  const kept = countAnswer(transition, answers, event);
  if (kept === 'foreign') return transition.unchanged();
  if (kept === 'waiting') return;
  const lapsed = publisherLapsed(transition, run);
  if (lapsed !== undefined) return endRun(transition, run, lapsed);
  if (kept !== 'kept') {
    transition.tell(run, { kind: 'answer-failed', earlier, artifact, detail });
    return openRound(transition, run);
  }
  const found = reusableRun(transition, run);
  if (found === undefined || artifactOf(found.published.verdict.outcome) !== artifact)
    return openRound(transition, run);
  reuseEarlierRun(transition, run, found);
}

function reuseEarlierRun(transition: Transition, run: Run, { run: earlier, published, level }: Found): void {
  const { ref } = earlier.request.payload;
  const decidedAt = endedAt(transition.state.index.get(earlier.id) ?? earlier);
  run.reused = earlier;
  run.evidence = { ...run.evidence, receipts: run.evidence.receipts + bundleBytesOf(earlier) };
  for (const other of crowdedOut(transition, run)) endRun(transition, other, crowdedOutSays);
  transition.tell(run, { kind: 'answered', earlier: earlier.id, ref, decidedAt });
  // Under rules 1 an answer was signed by the controller alone.
  if (transition.rules === 1) finish(transition, run, publish(transition, run, level, published.verdict));
  else conclude(transition, run, level, published.verdict);
}

/** Drops a draft that is not to be signed as it is; reuses an earlier run again, or builds. */
export function reuseAgain(transition: Transition, run: Run): void {
  dropReuse(run);
  reuseOrBuild(transition, run);
}

/** Drafts anew, or builds, where the evidence of the earlier run is no longer enough for the draft. */
export function reconsiderReuse(transition: Transition, run: Run): void {
  if (!('draft' in run.phase) || run.reused === null) return;
  const { draft } = run.phase;
  const { state } = transition;
  const earlier = state.index.builtOf(run.jobId).find(({ id }) => id === run.reused?.id);
  const found = earlier && foundIn(transition, run, earlier);
  const isSame =
    found?.level === draft.level && found.published.verdict.id === publishedOf(run.reused)?.verdict.id;
  if (isSame && !isContradicted(state, run, found)) return;
  reuseAgain(transition, run);
}

/** A trusted worker co-signed the reuse, and the log that it is in by now: the verdict is published. */
export function reuseCosigned(transition: Transition, run: Run, event: EventOf<'cosigned'>): void {
  const { state } = transition;
  const { worker, verdict, signature, witness, log } = event;
  if (run.phase.kind !== 'answer-cosigning' || run.phase.draft.id !== verdict || log === undefined)
    return transition.unchanged();
  const { draft } = run.phase;
  const { size, root } = log;
  const isOurs = size >= draft.size && size <= state.log.size && state.log.root(size) === root;
  if (!isOurs || !draft.charter.payload.trusted.includes(worker)) return transition.unchanged();
  signed(transition, run, draft, { worker, signature, witness }, size);
}

/** A trusted worker did not co-sign the reuse: it is asked again where the reason may pass; else the job is built. */
export function reuseRefused(transition: Transition, run: Run, refusal: EventOf<'cosign-refused'>): void {
  const { worker, verdict, code, message } = refusal;
  if (run.phase.kind !== 'answer-cosigning' || run.phase.draft.id !== verdict) return transition.unchanged();
  // The clock of the one or the other is wrong, and may be set.
  if (isPassing(code) || code === 'DOC_FROM_FUTURE') return delay(transition, run, run.phase, refusal);
  transition.tell(run, { kind: 'answer-refused', worker, code, message });
  dropReuse(run);
  const lapsed = publisherLapsed(transition, run);
  if (lapsed !== undefined) return endRun(transition, run, lapsed);
  openRound(transition, run);
}

/** The latest run of this job whose evidence is enough, where no other run contradicts it. */
function reusableRun(transition: Transition, run: Run): Found | undefined {
  if (run.request.payload.rebuild || !mayBeAnswered(run.job)) return undefined;
  const { state } = transition;
  for (const earlier of state.index.builtOf(run.jobId)) {
    const found = foundIn(transition, run, earlier);
    if (found === undefined || !hasRoom(transition, run, bundleBytesOf(earlier))) continue;
    return isContradicted(state, run, found) ? undefined : found;
  }
  return undefined;
}

/** An earlier run and the level that its evidence has for this one; undefined below what this one asks for. */
function foundIn({ state }: Transition, run: Run, earlier: RunFacts): Found | undefined {
  const ended = finishedOf(earlier);
  const published = ended === undefined ? null : publishedOf(ended);
  // A run that is open again may come to something else, also as another instance of its request.
  if (ended?.phase.kind !== 'done' || published === null || published.verdict.result === null)
    return undefined;
  if (earlier.revoked !== null) return undefined;
  const level = levelFor(state, run, earlier, published, signedCharter({ state }));
  return level && { run: { ...ended, history: [], revoked: null }, published, level };
}

/** Whether another run of the same job contradicts the result that was found. */
function isContradicted(state: ControllerState, { jobId }: Run, { published }: Found): boolean {
  const { result } = published.verdict;
  const all = revocationsIn(state);
  return result !== null && state.index.builtOf(jobId).some((other) => speaksAgainst(all, other, result));
}

/** Whether a run of the same job came to another result: the job is not deterministic, or a builder was wrong. */
function speaksAgainst(all: readonly Revoked[], run: RunFacts, result: string): boolean {
  const verdict = publishedOf(run)?.verdict;
  const other = (one: string | null | undefined) => one !== null && one !== undefined && one !== result;
  if (run.revoked === null && other(verdict?.result)) return true;
  return run.receipts.some(
    (vote) => isTrustedSlot(vote.slot) && other(vote.result) && voteRevoked(all, vote) === undefined,
  );
}

/** The level at which a run would end on the evidence of an earlier one; undefined where it has to be built. */
function levelFor(
  state: ControllerState,
  run: Run,
  earlier: RunFacts,
  published: PublishedFacts,
  charter: PublishedFacts['verdict']['charter'],
): Found['level'] | undefined {
  const { verdict } = published;
  const { policy } = run.request.payload;
  const next = { index: state.log.size, artifact: artifactOf(verdict.outcome) };
  const first = { signer: state.id, index: state.log.size };
  if (runVoidedBy(state, run, next, charter, [first]) !== undefined) return undefined;
  const reached = levelOfEarlier(state, run, { earlier, published, charter, index: state.log.size });
  // Without a co-signature nothing more comes of what is easy to agree on.
  const cheap = verdict.outcome !== null && isCheap(verdict.outcome);
  const final = cheap && cosignersOf(policy) === 0 && inputsTrusted(state, run);
  if (reached !== 'trusted' && !(reached === 'agreed' && final)) return undefined;
  if (!atLeast(provenBy(verdict.level), reached)) return undefined;
  return reached;
}
