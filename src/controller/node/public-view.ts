import { artifactIn } from '../machine/facts.ts';
import { publishedOf } from '../machine/state.ts';
import { artifactLevel, summaryOfRevoked } from '../machine/view.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { StoredBundles } from '../../protocol/sessions/bundle-exchange.ts';
import { offersAfter } from '../sessions/backlog-pass.ts';
import type { ControllerSessions } from '../sessions/controller-sessions.ts';
import { knownTo } from '../sessions/known.ts';
import type { RevocationBook } from '../../protocol/sessions/revocation-book.ts';
import { type RevocationPage, withEvidence } from '../../protocol/sessions/revocation-pages.ts';
import { countsUncosigned } from '../../protocol/trust/index.ts';
import type { CheckpointNotice, OfferNotice, VerdictNotice } from '../../protocol/wire/messages.ts';
import { type PublicTrees, publicTrees } from '../../node/artifacts/public-trees.ts';
import type { ControllerContext } from './context.ts';

/** Documents that a controller shows to anybody who asks, besides its protocols: the same ones, each of which proves itself. */
export interface PublicView extends PublicTrees {
  readonly project: string;
  /** Compact JWS; undefined before there is one. */
  charter(): string | undefined;
  /** Open offers, oldest first, at most `limits.feedOffersMax`: those that follow an offer, none where that one is not open any more. */
  offers(after?: string): OfferNotice[];
  /** The latest verdicts, newest first, at most `limits.feedOffersMax`. Hints: the bundle is the proof. */
  verdicts(): VerdictNotice[];
  /** One message of the revocations in the log that count: those after the id `after`, or the first ones. */
  revocations(after?: string): RevocationPage;
  /** The current one, with its witnesses; undefined before there is one. */
  checkpoint(): CheckpointNotice | undefined;
  /** Of a run, a job or an artifact. Errors: those of `CheckedBundles.get`. */
  bundle(which: string): Promise<string | undefined>;
  /** Size of that; undefined where there is none, or it is made first. */
  bundleBytes(which: string): Promise<number | undefined>;
  /** The level of an artifact, for people: its bundle is the proof. `none` of what no verdict is about, or only that of a test. */
  level(cid: string): 'trusted' | 'agreed' | 'revoked' | 'none';
}

export function publicView(
  { folder, machine, store, logEvidence }: ControllerContext & { logEvidence: RevocationBook },
  { backlog, checkpoints }: Pick<ControllerSessions, 'backlog' | 'checkpoints'>,
  bundles: StoredBundles,
): PublicView {
  const { state } = machine;
  const known = knownTo({ machine, logEvidence });
  return {
    project: folder.project,
    charter: () => state.charter?.raw,
    offers: (after) => offersAfter(backlog, after),
    verdicts() {
      const found: VerdictNotice[] = [];
      for (const run of state.index.latest()) {
        const published = publishedOf(run);
        if (published === null) continue;
        const { id, jobId } = run;
        const { level, outcome } = published.verdict;
        found.push({
          job: jobId,
          request: id,
          level,
          artifact: artifactIn(run, outcome),
          ...(countsUncosigned(run.request.payload.policy, level) && { cosigned: false }),
          ...(run.revoked !== null && { revoked: summaryOfRevoked(run.revoked) }),
        });
        if (found.length >= limits.feedOffersMax) break;
      }
      return found;
    },
    revocations: (after) => withEvidence(known.page(after), known.evidence()),
    checkpoint() {
      const { current } = checkpoints;
      return current === undefined ? undefined : { note: current.note };
    },
    bundle: (which) => bundles.get(which),
    bundleBytes: (which) => bundles.size(which),
    level: (cid) => artifactLevel(state, cid),
    ...publicTrees(store),
  };
}
