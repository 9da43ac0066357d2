import type { WholeState } from '../../protocol/account/whole-state.ts';
import { jobStatuses, knownOf, latestOf, type WatchState, wholeStatus } from './state.ts';
import { provenState } from './status.ts';

/** The output of `quorate watch status` and `approvals`. */
export type WatchView = ReturnType<typeof viewOf>;

const shownMax = 50;

export function viewOf(state: WatchState) {
  const { settings, tips, publications, pulls, statuses } = state;
  const newest = [...publications.values()].filter(({ unaffected }) => !unaffected).reverse();
  return {
    url: settings?.url ?? '',
    refs: tips.size,
    publications: newest.slice(0, shownMax).map((publication) => {
      const { order, cause, runs } = publication;
      const { id, at, ref, commit } = order;
      const each = jobStatuses(publication);
      const jobs = runs.map(({ name, run }) => ({ name, run, status: each.get(name) ?? null }));
      return { id, at, ref, commit, cause, status: wholeStatus(publication), jobs };
    }),
    /** `id`: the argument of `approve` and `deny`. */
    pulls: [...pulls.values()].map(({ pull, commit, title, author, base = null, since, decision }) => ({
      id: `${pull}@${commit}`,
      pull,
      commit,
      title,
      author,
      base,
      since,
      decision,
    })),
    untold: [...statuses.values()]
      .filter(({ told, wanted }) => told !== wanted)
      .slice(0, shownMax)
      .map(({ commit, context, tries, failed }) => ({ commit, context, tries, failed })),
  };
}

/** The lowest level of the jobs that were published last of a branch or tag; undefined for one that is not there. */
export function badgeOf(
  state: WatchState,
  ref: string,
): { level: WholeState; commit: string | null } | undefined {
  const latest = latestOf(state, ref);
  if (latest === undefined) return state.tips.has(ref) ? { level: 'none', commit: null } : undefined;
  const { order, refused } = latest;
  const level = refused !== null ? 'failed' : provenState(knownOf(latest));
  return { level, commit: order.commit };
}
