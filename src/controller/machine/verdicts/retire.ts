import { backingFacts } from '../backing.ts';
import type { FinishedRun, PublishedFacts, RunFacts } from '../facts.ts';
import { publishedOf, type Run, type Transition } from '../state.ts';

/**
 * Lets go of the documents of a run that is over: once its bundle is stored, or at once where nothing is published. From
 * then on the bundle is its evidence, and the facts decide it again when something is revoked.
 */
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
  const { id, jobId, submittedAt, receipts, earlier, answer, evidence, revoked, history, phase } = run;
  if (phase.kind !== 'done' && phase.kind !== 'cancelled') return undefined;
  const { name, kind, image, limits, inputs } = run.job;
  const { aud, repo, ref, commit, recipe, policy, exp, needs } = run.request.payload;
  const { operator } = run.publisher.payload;
  return {
    id,
    jobId,
    job: { name, ...(kind !== undefined && { kind }), image, limits, inputs },
    request: {
      signer: run.request.signer,
      payload: {
        ...{ aud, repo, ref, commit, policy, exp },
        ...(recipe !== undefined && { recipe }),
        ...(needs !== undefined && { needs }),
      },
    },
    publisher: { signer: run.publisher.signer, payload: { operator } },
    submittedAt,
    rounds: run.rounds.map(({ offer: { iss, index }, revealed }) => ({ offer: { iss, index }, revealed })),
    // The lists and not copies: a session may be reading them to somebody.
    receipts,
    evidence,
    earlier,
    history,
    answer,
    revoked,
    phase:
      phase.kind === 'done'
        ? { kind: 'done', published: factsOf(phase.published) }
        : { ...phase, published: phase.published === null ? null : factsOf(phase.published) },
  };
}

function factsOf({ verdict, backing, ending, limit }: PublishedFacts): PublishedFacts {
  const { id, index, charter, level, outcome, result } = verdict;
  return {
    verdict: { id, index, charter, level, outcome, result },
    backing: backingFacts(backing),
    ending,
    ...(limit !== undefined && { limit }),
  };
}
