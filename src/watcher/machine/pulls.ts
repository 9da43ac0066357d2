import { escapeLine } from '../../protocol/base/escape.ts';
import type { PullSeen, WatchEvent } from './events.ts';
import { watchLimits } from './limits.ts';
import { isOpen, order, stop } from './publications.ts';
import type { Pull } from './state.ts';
import { forgetStatuses, tellOfPull } from './statuses.ts';
import type { Transition } from './transition.ts';

/** A pull request that is new or changed. An approval is of one commit; the base branch decides which jobs are needed. */
export function pullSeen(transition: Transition, seen: PullSeen): void {
  const { state, now } = transition;
  if (state.settings?.pulls === undefined) return;
  const known = state.pulls.get(seen.pull);
  if (known === undefined && !makeRoom(transition, seen)) return;
  transition.changed = true;
  const isSameCommit = known?.commit === seen.commit;
  const pull: Pull = {
    ...seen,
    decision: isSameCommit ? known.decision : null,
    since: isSameCommit ? known.since : now,
    ordered: isSameCommit && known.base === seen.base && known.ordered,
  };
  state.pulls.set(seen.pull, pull);
  if (!isSameCommit)
    stop(transition, `superseded by ${seen.commit.slice(0, 12)}`, ({ cause }) => isOf(cause, seen.pull));
  else if (known.ordered && !pull.ordered) {
    const reason = `it is for ${escapeLine(seen.base ?? '', 60)} now`;
    stop(transition, reason, ({ cause }) => isOf(cause, seen.pull));
    tellOfPull(transition, pull);
  }
  if (known !== undefined && !isSameCommit) forgetStatuses(transition);
  if (pull.decision === null) {
    const by = approvedBy(transition, seen);
    if (by !== undefined) return settle(transition, pull, 'approved', by);
    if (!isSameCommit) tellOfPull(transition, pull);
  }
}

/**
 * Whether one more of this author has room. Where there is none, the newest one that nobody approved goes of the author who has most among
 * those with such a one, if that is more than this one would have, or if the owner's rule approves this one.
 */
function makeRoom(transition: Transition, seen: PullSeen): boolean {
  const { pulls } = transition.state;
  const counts = new Map<string, number>();
  for (const one of pulls.values()) counts.set(one.author, (counts.get(one.author) ?? 0) + 1);
  const own = counts.get(seen.author) ?? 0;
  if (own >= watchLimits.authorPullsMax) return false;
  if (pulls.size < watchLimits.pullsMax) return true;
  const unapproved = [...pulls.values()].filter(({ decision }) => decision?.verdict !== 'approved');
  const most = Math.max(0, ...unapproved.map(({ author }) => counts.get(author) ?? 0));
  const last = unapproved.findLast(({ author }) => counts.get(author) === most);
  if (last === undefined || (most <= own + 1 && approvedBy(transition, seen) === undefined)) return false;
  pulls.delete(last.pull);
  forgetStatuses(transition);
  return true;
}

const isOf = (cause: { kind: string; pull?: number }, pull: number): boolean =>
  cause.kind === 'pull' && cause.pull === pull;

/** The rule of the owner by which it is approved; undefined where a person has to decide. */
function approvedBy({ state }: Transition, { author, approved, commit }: PullSeen): string | undefined {
  const rule = state.settings?.pulls;
  if (rule?.authors.includes(author) === true) return `the rule for ${author}`;
  return rule?.label !== undefined && approved.includes(commit) ? 'a label' : undefined;
}

export function closePull(transition: Transition, pull: number): void {
  const closed = transition.state.pulls.get(pull);
  if (closed === undefined) return;
  transition.state.pulls.delete(pull);
  transition.changed = true;
  stop(transition, 'the pull request was closed', ({ cause }) => isOf(cause, pull));
  tellOfPull(transition, closed);
  forgetStatuses(transition);
}

/** A decision on a commit that is not the pull request's any more changes nothing. */
export function decide(
  transition: Transition,
  { pull: number, commit, verdict, by }: Extract<WatchEvent, { kind: 'decided' }>,
): void {
  const pull = transition.state.pulls.get(number);
  if (pull === undefined || pull.commit !== commit || pull.decision?.verdict === verdict) return;
  settle(transition, pull, verdict, by);
}

function settle(transition: Transition, pull: Pull, verdict: 'approved' | 'denied', by: string): void {
  transition.changed = true;
  Object.assign(pull, { decision: { verdict, by: escapeLine(by, 60) }, ordered: false });
  if (verdict === 'denied')
    stop(transition, `denied by ${escapeLine(by, 60)}`, ({ cause }) => isOf(cause, pull.pull));
  tellOfPull(transition, pull);
}

/** Orders approved pull requests as there is room, the author with fewest under way first. */
export function orderPulls(transition: Transition): void {
  const { state } = transition;
  if (state.settings?.pulls === undefined) return;
  const waiting = [...state.pulls.values()].filter(
    ({ decision, ordered }) => decision?.verdict === 'approved' && !ordered,
  );
  if (waiting.length === 0) return;
  const open = [...state.publications.values()].filter(isOpen);
  const underWay = new Map<string, number>();
  let room = Math.min(
    watchLimits.publicationsOpenMax - open.length,
    watchLimits.pullPublicationsMax - open.filter(({ author }) => author !== null).length,
  );
  for (const { author } of open) if (author !== null) underWay.set(author, (underWay.get(author) ?? 0) + 1);
  const of = ({ author }: Pull) => underWay.get(author) ?? 0;
  for (; room > 0; room--) {
    const [next] = waiting
      .filter((pull) => !pull.ordered && of(pull) < watchLimits.authorPublicationsMax)
      .sort((a, b) => of(a) - of(b));
    if (next === undefined) return;
    underWay.set(next.author, of(next) + 1);
    orderPull(transition, next);
  }
}

function orderPull(transition: Transition, pull: Pull): void {
  const { state } = transition;
  pull.ordered = true;
  const { ref, commit, base, author } = pull;
  const { paths = [], job = null } = state.settings?.pulls ?? {};
  const tip = base === undefined ? undefined : state.tips.get(`refs/heads/${base}`)?.commit;
  const wanted = { ref, commit, object: commit, base: tip ?? null, paths, job, rebuild: false, floor: true };
  order(transition, wanted, { kind: 'pull', pull: pull.pull, by: pull.decision?.by ?? '' }, author);
}
