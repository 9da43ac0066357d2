import { publicTrees } from '../../node/artifacts/public-trees.ts';
import { limits } from '../../protocol/base/limits.ts';
import { type RevocationBook, withEvidence } from '../../protocol/sessions/revocation-book.ts';
import type { ProjectWatch } from '../sessions/project-watch.ts';
import type { StoreContext } from './context.ts';
import type { LedgerEntry } from './ledger.ts';

/** The part of a store that anybody may read by HTTP, at the paths of a controller: all of it proves itself, or is a hint. */
export function storeView(
  { project, store, bundles, ledger }: Pick<StoreContext, 'project' | 'store' | 'bundles' | 'ledger'>,
  watch: Pick<ProjectWatch, 'charter'>,
  revocations: Pick<RevocationBook, 'page' | 'evidence'>,
) {
  const kept = (): LedgerEntry[] =>
    [...ledger.entries.values()]
      .filter(({ tree }) => ledger.trees.has(tree))
      .sort((a, b) => b.decidedAt - a.decidedAt);
  return {
    project,
    charter: () => watch.charter?.raw,
    /** A store hands out no work. */
    offers: () => [],
    verdicts: () =>
      kept()
        .slice(0, limits.feedOffersMax)
        .map(({ job, run, level, tree, kind, cosigned }) => ({
          job,
          request: run,
          level,
          artifact: kind === 'test' ? null : tree,
          ...(cosigned === false && { cosigned: false as const }),
        })),
    revocations: (after?: string) => withEvidence(revocations.page(after), revocations.evidence()),
    checkpoint: () => undefined,
    bundle: (which: string) => bundles.get(which),
    bundleBytes: (which: string) => bundles.size(which),
    level(tree: string) {
      const of = ledger.trees.has(tree) ? ledger.of(tree).filter(({ kind }) => kind === 'build') : [];
      if (of.some(({ level }) => level === 'trusted')) return 'trusted' as const;
      return of.length > 0 ? ('agreed' as const) : ('none' as const);
    },
    ...publicTrees(store, (tree) => ledger.trees.has(tree) && ledger.of(tree).length > 0),
  };
}
