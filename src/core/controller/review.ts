import { artifactOf } from '../documents/index.ts';
import type { RunFacts } from './facts.ts';
import { verdictStandsNot } from './standing.ts';
import { publishedOf, type Transition, tell } from './state.ts';

/** Decides a published verdict again, and tells once that it does not stand. */
export function reviewPublished(transition: Transition, run: RunFacts): void {
  const published = publishedOf(run);
  if (published === null || run.revoked !== null) return;
  const revoked = verdictStandsNot(transition.state, run, published);
  if (revoked === undefined) return;
  run.revoked = revoked;
  const { outcome } = published.verdict;
  const { what, since, reason } = revoked;
  const artifact = outcome === null ? null : artifactOf(outcome);
  tell(transition, run, { kind: 'revoked', artifact, what: what.kind, id: what.id, since, reason });
}
