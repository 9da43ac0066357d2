import { escapeLine } from '../../protocol/base/escape.ts';
import type { WatchEvent } from './events.ts';
import { watchLimits } from './limits.ts';
import type { WatchSettings } from './rules.ts';
import {
  contextOf,
  jobStatuses,
  type Publication,
  type Pull,
  pullContext,
  type WatchState,
  wholeStatus,
} from './state.ts';
import { isSame, type Status, statusCharsMax } from './status.ts';
import { retryAfter, type Transition } from './transition.ts';

const keyOf = (commit: string, context: string): string => `${commit} ${context}`;

const shortened = (text: string): string =>
  text.length <= statusCharsMax ? text : `${text.slice(0, statusCharsMax - 1)}…`;

interface Place {
  commit: string;
  context: string;
  pull: number | null;
  author: string | null;
  at: number;
}

/** Wants a status to be shown. Nothing that was ordered earlier takes its place. */
function want({ state }: Transition, place: Place, status: Status): void {
  const key = keyOf(place.commit, place.context);
  const known = state.statuses.get(key);
  if (known !== undefined && known.at > place.at) return;
  const wanted = { ...status, says: shortened(escapeLine(status.says, 500)) };
  if (known === undefined) {
    const fresh = { told: null, tries: 0, retryAt: null, busy: false, failed: null };
    state.statuses.set(key, { ...place, wanted, ...fresh });
    return;
  }
  Object.assign(known, place);
  if (isSame(wanted, known.wanted)) return;
  // The same as was told before something else was wanted: the forge shows it.
  known.wanted = !known.busy && known.told !== null && isSame(wanted, known.told) ? known.told : wanted;
  Object.assign(known, { failed: null, retryAt: null, tries: 0 });
}

const linkTo = (
  { link }: WatchSettings,
  { order }: Publication,
  run: string | undefined,
): { link?: string } =>
  link === undefined || run === undefined
    ? {}
    : { link: link.replaceAll('{run}', run).replaceAll('{commit}', order.commit) };

/** From the worst on. */
const states: readonly Status['state'][] = ['failure', 'error', 'pending', 'success'];

/** The worst status of a commit's open pull requests; an undecided one changes nothing beside an approved one for the same branch. */
function statusOfPulls(state: WatchState, settings: WatchSettings, commit: string): Status | undefined {
  const open = [...state.pulls.values()].filter((pull) => pull.commit === commit);
  const approved = new Set(
    open.flatMap(({ decision, base }) => (decision?.verdict === 'approved' ? [base] : [])),
  );
  const counting = open.filter(({ decision, base }) => decision !== null || !approved.has(base));
  const publications = [...state.publications.values()].filter(({ order }) => order.commit === commit);
  const each = counting.flatMap(({ pull, ordered, decision }) => {
    const of = publications.findLast(({ cause }) => cause.kind === 'pull' && cause.pull === pull);
    if (ordered && of?.unaffected === true) return [];
    const status = ordered && of !== undefined ? wholeStatus(of) : statusOfPull(decision);
    const says = counting.length > 1 ? `${pull}: ${status.says}` : status.says;
    return [{ ...status, says, ...(of !== undefined && linkTo(settings, of, of.runs[0]?.run)) }];
  });
  return each.sort((a, b) => states.indexOf(a.state) - states.indexOf(b.state))[0];
}

/** Brings the statuses of a publication in step with how it stands. */
export function tellOf(transition: Transition, publication: Publication): void {
  const { settings } = transition.state;
  if (settings === null || publication.unaffected) return;
  const { order, cause, author, runs } = publication;
  const context = contextOf(settings, publication);
  const pull = cause.kind === 'pull' ? cause.pull : null;
  const place = { commit: order.commit, pull, author, at: order.at };
  const own = { ...wholeStatus(publication), ...linkTo(settings, publication, runs[0]?.run) };
  const ofPulls = pull === null ? undefined : statusOfPulls(transition.state, settings, order.commit);
  const at = ofPulls === undefined ? order.at : transition.now;
  want(transition, { ...place, context, at }, ofPulls ?? own);
  const each = jobStatuses(publication);
  for (const { name, run } of runs) {
    const status = each.get(name);
    if (status === undefined) continue;
    const linked = { ...status, ...linkTo(settings, publication, run) };
    want(transition, { ...place, context: `${context}/${name}` }, linked);
  }
}

/** The status of the commit of a pull request that changed, or was closed. */
export function tellOfPull(transition: Transition, { commit, pull, author }: Pull): void {
  const { settings } = transition.state;
  const status = settings === null ? undefined : statusOfPulls(transition.state, settings, commit);
  if (settings === null || status === undefined) return;
  const place = { commit, pull, author, context: pullContext(settings.context), at: transition.now };
  want(transition, place, status);
}

function statusOfPull(decision: Pull['decision']): Status {
  if (decision === null) return { state: 'pending', says: 'waiting for the approval of a maintainer' };
  return decision.verdict === 'denied'
    ? { state: 'error', says: `denied by ${decision.by}` }
    : { state: 'pending', says: `approved by ${decision.by}, waiting for its turn` };
}

/** Forgets told statuses of commits that nothing is about any more; those of pull requests at once, so that pushes fill nothing. */
export function forgetStatuses({ state }: Transition): void {
  const { publications, pulls, statuses } = state;
  const commits = new Set([...publications.values()].map(({ order }) => order.commit));
  for (const { commit } of pulls.values()) commits.add(commit);
  for (const [key, { commit, pull, told, wanted, failed }] of statuses)
    if (!commits.has(commit) && (pull !== null || told === wanted || failed !== null)) statuses.delete(key);
}

export function statusSet(
  transition: Transition,
  { key, status }: Extract<WatchEvent, { kind: 'status-set' }>,
): void {
  const known = transition.state.statuses.get(key);
  if (known === undefined) return;
  transition.changed = true;
  Object.assign(known, { busy: false, tries: 0, retryAt: null, failed: null });
  known.told = isSame(status, known.wanted) ? known.wanted : status;
}

export function statusFailed(
  transition: Transition,
  { key, message, again }: Extract<WatchEvent, { kind: 'status-failed' }>,
): void {
  const known = transition.state.statuses.get(key);
  if (known === undefined) return;
  transition.changed = true;
  known.busy = false;
  // It may have been taken although the answer was an error.
  known.told = null;
  known.tries++;
  if (again && known.tries < watchLimits.statusTriesMax) {
    known.retryAt = transition.now + retryAfter(known.tries);
    return;
  }
  known.retryAt = null;
  known.failed = message;
}
