import { artifactOf } from '../../protocol/documents/index.ts';
import type { RunFacts } from './facts.ts';
import { endedKeys } from './members/revocations.ts';
import { publishedOf, type Transition, tell } from './state.ts';
import { verdictStandsNot } from './verdicts/review.ts';

/**
 * Decides a published verdict again, and tells once that it does not stand; or that it does again, where it was revoked by a key
 * that the root has ended since.
 */
export function reviewPublished(transition: Transition, run: RunFacts): void {
  const published = publishedOf(run);
  if (published === null) return;
  const { state } = transition;
  const by = run.revoked?.document;
  const isVoid = by !== undefined && endedKeys(state).voids(by.signer, by.id);
  if (run.revoked !== null && !isVoid) return;
  const { level, outcome } = published.verdict;
  const artifact = outcome === null ? null : artifactOf(outcome);
  const revoked = verdictStandsNot(state, run, published);
  run.revoked = revoked ?? null;
  if (revoked !== undefined) {
    const { what, since, reason } = revoked;
    return tell(transition, run, { kind: 'revoked', artifact, what: what.kind, id: what.id, since, reason });
  }
  if (!isVoid) return;
  state.recalls.delete(run.id);
  tell(transition, run, { kind: 'restored', level, artifact, key: by.signer });
}
