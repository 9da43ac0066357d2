import { forgeLimits, type OpenPull } from '../../forge/index.ts';
import type { ListedRef } from '../../source/index.ts';
import type { PullSeen, WatchEvent } from './events.ts';
import type { WatchState } from './state.ts';

const isWatched = (ref: string): boolean => ref.startsWith('refs/heads/') || ref.startsWith('refs/tags/');

/** The event that brings the state in step with what a server has; undefined where nothing changed. */
export function refChanges(
  { tips, watching }: WatchState,
  refs: ReadonlyMap<string, ListedRef>,
): Extract<WatchEvent, { kind: 'refs' }> | undefined {
  const changed: Extract<WatchEvent, { kind: 'refs' }>['changed'] = [];
  for (const [ref, { commit, object }] of refs)
    if (isWatched(ref) && tips.get(ref)?.commit !== commit) changed.push({ ref, commit, object });
  for (const ref of tips.keys()) if (!refs.has(ref)) changed.push({ ref, commit: null, object: '' });
  if (changed.length === 0 && watching) return undefined;
  return { kind: 'refs', first: !watching, changed };
}

/**
 * The events that bring the state in step with the open pull requests of a forge. Their commits are those that the git server has at
 * `pattern`, where `*` stands for the number. A label `LABEL:COMMIT` approves that commit.
 */
export function pullChanges(
  { pulls, settings }: WatchState,
  open: readonly OpenPull[],
  refs: ReadonlyMap<string, ListedRef>,
  pattern: string,
): WatchEvent[] {
  const events: WatchEvent[] = [];
  const label = settings?.pulls?.label;
  const numbers = new Set<number>();
  for (const { pull, title, author, base, labels } of open) {
    const ref = pattern.replace('*', String(pull));
    const commit = refs.get(ref)?.commit;
    if (commit === undefined) continue;
    numbers.add(pull);
    const approved = labels
      .filter((one) => label !== undefined && one.startsWith(`${label}:`))
      .map((one) => one.slice((label?.length ?? 0) + 1))
      .filter((one) => one === commit);
    const seen: PullSeen = { pull, ref, commit, base, title, author, approved };
    const known = pulls.get(pull);
    if (known === undefined || !isSame(seen, known)) events.push({ kind: 'pull', seen });
  }
  // A list as long as what is read of one was cut: what is not in it may be open.
  if (open.length < forgeLimits.pagesMax * forgeLimits.perPage)
    for (const pull of pulls.keys()) if (!numbers.has(pull)) events.push({ kind: 'pull-closed', pull });
  return events;
}

const isSame = (a: PullSeen, b: PullSeen): boolean =>
  a.commit === b.commit &&
  a.title === b.title &&
  a.author === b.author &&
  a.base === b.base &&
  a.approved.length === b.approved.length;
