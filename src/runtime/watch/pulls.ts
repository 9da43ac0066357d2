import { escapeLine } from '../../core/escape.ts';
import type { PullSeen, WatchEvent } from './events.ts';
import { watchLimits } from './limits.ts';
import { order, stop } from './publications.ts';
import type { Pull } from './state.ts';
import { forgetStatuses, tellOfPull } from './statuses.ts';
import type { Transition } from './transition.ts';

/** A pull request that is new, or of which something changed. An approval is of one commit: another one waits again. */
export function pullSeen(transition: Transition, seen: PullSeen): void {
  const { state, now } = transition;
  if (state.settings?.pulls === undefined) return;
  const known = state.pulls.get(seen.pull);
  if (known === undefined && state.pulls.size >= watchLimits.pullsMax) return;
  transition.changed = true;
  const isSameCommit = known?.commit === seen.commit;
  const pull: Pull = {
    ...seen,
    decision: isSameCommit ? known.decision : null,
    since: isSameCommit ? known.since : now,
  };
  state.pulls.set(seen.pull, pull);
  if (!isSameCommit)
    stop(transition, `superseded by ${seen.commit.slice(0, 12)}`, ({ cause }) => isOf(cause, seen.pull));
  if (pull.decision === null) {
    const by = approvedBy(transition, seen);
    if (by !== undefined) return settle(transition, pull, 'approved', by);
    if (!isSameCommit) tellOfPull(transition, pull);
  }
}

const isOf = (cause: { kind: string; pull?: number }, pull: number): boolean =>
  cause.kind === 'pull' && cause.pull === pull;

/** Who has approved it by a rule of the owner; undefined where somebody has to. */
function approvedBy({ state }: Transition, { author, approved, commit }: PullSeen): string | undefined {
  const rule = state.settings?.pulls;
  if (rule?.authors.includes(author) === true) return `the rule for ${author}`;
  return rule?.label !== undefined && approved.includes(commit) ? 'a label' : undefined;
}

export function closePull(transition: Transition, pull: number): void {
  if (!transition.state.pulls.delete(pull)) return;
  transition.changed = true;
  stop(transition, 'the pull request was closed', ({ cause }) => isOf(cause, pull));
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
  const { state } = transition;
  transition.changed = true;
  pull.decision = { verdict, by: escapeLine(by, 60) };
  if (verdict === 'denied') {
    stop(transition, `denied by ${pull.decision.by}`, ({ cause }) => isOf(cause, pull.pull));
    tellOfPull(transition, pull);
    return;
  }
  const { ref, commit, base } = pull;
  const { paths = [], job = null } = state.settings?.pulls ?? {};
  const tip = base === undefined ? undefined : state.tips.get(`refs/heads/${base}`)?.commit;
  order(
    transition,
    { ref, commit, object: commit, base: tip ?? null, paths, job, rebuild: false, floor: true },
    { kind: 'pull', pull: pull.pull, by: pull.decision.by },
  );
}
