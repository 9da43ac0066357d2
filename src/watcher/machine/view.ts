import type { WholeState } from '../../protocol/account/whole-state.ts';
import { type Cause, jobStatuses, knownOf, latestOf, type WatchState, wholeStatus } from './state.ts';
import { provenState, type Status } from './status.ts';

/** The output of `quorate watch status` and `approvals`. */
export interface WatchView {
  url: string;
  refs: number;
  /** The newest first. */
  publications: {
    id: string;
    at: number;
    ref: string;
    commit: string;
    cause: Cause;
    status: Status;
    jobs: { name: string; run: string; status: Status | null }[];
  }[];
  pulls: {
    /** The argument of `approve` and `deny`: `PULL@COMMIT`. */
    id: string;
    pull: number;
    commit: string;
    title: string;
    author: string;
    base: string | null;
    since: number;
    decision: { verdict: 'approved' | 'denied'; by: string } | null;
  }[];
  untold: { commit: string; context: string; tries: number; failed: string | null }[];
}

const shownMax = 50;

export function viewOf(state: WatchState): WatchView {
  const { settings, tips, publications, pulls, statuses } = state;
  const newest = [...publications.values()].filter(({ unaffected }) => !unaffected).reverse();
  return {
    url: settings?.url ?? '',
    refs: tips.size,
    publications: newest.slice(0, shownMax).map((publication) => {
      const { order, cause, runs } = publication;
      const each = jobStatuses(publication);
      return {
        ...{ id: order.id, at: order.at, ref: order.ref, commit: order.commit, cause },
        status: wholeStatus(publication),
        jobs: runs.map(({ name, run }) => ({ name, run, status: each.get(name) ?? null })),
      };
    }),
    pulls: [...pulls.values()].map(({ pull, commit, title, author, base = null, since, decision }) => ({
      ...{ id: `${pull}@${commit}`, pull, commit, title, author, base, since, decision },
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
