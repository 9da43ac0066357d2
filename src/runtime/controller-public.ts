import { artifactOf } from '../core/documents/index.ts';
import { limits } from '../core/limits.ts';
import type { OfferNotice, VerdictNotice } from '../core/wire/messages.ts';
import type { ControllerContext } from './controller-context.ts';

/** What a controller shows to anybody who asks, besides its protocols: the same documents, each of which proves itself. */
export interface PublicView {
  readonly project: string;
  /** Compact JWS; undefined before there is one. */
  charter(): string | undefined;
  /** Open offers, oldest first, at most `limits.feedOffersMax`. */
  offers(): OfferNotice[];
  /** The latest verdicts, newest first, at most `limits.feedOffersMax`. Hints: the bundle is the proof. */
  verdicts(): VerdictNotice[];
  /** Of a run, a job or an artifact. */
  bundle(which: string): Promise<string | undefined>;
}

export function publicView({ folder, machine, backlog, bundles }: ControllerContext): PublicView {
  const { state } = machine;
  return {
    project: folder.project,
    charter: () => state.charter?.raw,
    offers: () => [...backlog.values()].slice(0, limits.feedOffersMax),
    verdicts() {
      const found: VerdictNotice[] = [];
      for (const { id, jobId, verdict, phase } of [...state.runs.values()].reverse()) {
        // A draft that waits for its co-signature is no verdict.
        if (verdict === null || phase.kind === 'cosigning') continue;
        const { level, outcome } = verdict.payload.predicate.quorate_verdict;
        found.push({
          job: jobId,
          request: id,
          level,
          artifact: outcome === null ? null : artifactOf(outcome),
        });
        if (found.length >= limits.feedOffersMax) break;
      }
      return found;
    },
    bundle: (which) => bundles.get(which),
  };
}
