import type { PublicView } from '../../http/views.ts';
import { publicTrees } from '../../node/artifacts/public-trees.ts';
import type { ProjectFolder } from '../../owner/project-folder.ts';
import { limits } from '../../protocol/base/limits.ts';
import type { Grant } from '../../protocol/documents/index.ts';
import type { StoredBundles } from '../../protocol/sessions/bundle-exchange.ts';
import { type RevocationBook, withEvidence } from '../../protocol/sessions/revocation-book.ts';
import { countsUncosigned } from '../../protocol/trust/index.ts';
import type { VerdictNotice } from '../../protocol/wire/messages.ts';
import { artifactIn } from '../machine/facts.ts';
import type { Controller } from '../machine/machine.ts';
import { isMember, memberRevoked } from '../machine/members/revocations.ts';
import { artifactLevel, isTreeShown, summaryOfRevoked } from '../machine/queries/summary.ts';
import { publishedOf } from '../machine/state.ts';
import { offersAfter } from '../sessions/backlog-pass.ts';
import type { ControllerSessions } from '../sessions/controller-sessions.ts';
import { knownTo } from '../sessions/revocations.ts';
import type { ControllerContext } from './context.ts';

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
    ...publicTrees(store, (tree) => isTreeShown(state, tree)),
  };
}

/** Members that are neither revoked nor dismissed, as of now. */
export function memberStanding({ state }: Controller, folder: ProjectFolder) {
  return {
    charter: () => state.charter?.payload ?? folder.charter,
    /** Whether the key or the operator of a grant is revoked, or it joined with a ticket of a key that was not its owner's then. */
    isRevoked: (grant: Grant) => {
      const enrolled = state.keys.get(grant.sub);
      const isDismissed = enrolled !== undefined && !isMember(state, enrolled);
      return isDismissed || memberRevoked(state, grant) !== undefined;
    },
  };
}
