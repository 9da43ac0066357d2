import type { PullSeen, WatchEvent } from './events.ts';
import { watchLimits } from './limits.ts';
import type { WatchState } from './state.ts';

/** A ref of the git server. `object`: of a tag, id of the annotated tag or of the commit. */
export interface SeenRef {
  commit: string;
  object: string;
}

/** Open pull requests as the forge lists them. Nothing of it is proven. */
export interface SeenPulls {
  pulls: readonly { pull: number; title: string; author: string; base: string; labels: readonly string[] }[];
  /** These are all. */
  isWhole: boolean;
}

const isWatched = (ref: string): boolean => ref.startsWith('refs/heads/') || ref.startsWith('refs/tags/');

/** The event that brings the state in step with what a server has; undefined where nothing changed. */
export function refChanges(
  { tips, watching }: WatchState,
  refs: ReadonlyMap<string, SeenRef>,
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
 * `pattern`, where `*` stands for the number. A label `LABEL:COMMIT` approves that commit. Of a list that is not whole nothing is closed:
 * what it does not hold may be open, and only its commit is looked at.
 */
export function pullChanges(
  { pulls, settings }: WatchState,
  { pulls: open, isWhole }: SeenPulls,
  refs: ReadonlyMap<string, SeenRef>,
  pattern: string,
): WatchEvent[] {
  const events: WatchEvent[] = [];
  const label = settings?.pulls?.label;
  const numbers = new Set<number>();
  const look = (seen: PullSeen) => {
    const known = pulls.get(seen.pull);
    if (known === undefined || !isSame(seen, known)) events.push({ kind: 'pull', seen });
  };
  for (const { pull, title, author, base, labels } of open) {
    const ref = pattern.replace('*', String(pull));
    const commit = refs.get(ref)?.commit;
    if (commit === undefined) continue;
    numbers.add(pull);
    const approved = labels
      .filter((one) => label !== undefined && one.startsWith(`${label}:`))
      .map((one) => one.slice((label?.length ?? 0) + 1))
      .filter((one) => one === commit);
    look({ pull, ref, commit, base, title, author, approved });
  }
  for (const known of pulls.values()) {
    if (numbers.has(known.pull)) continue;
    const commit = refs.get(known.ref)?.commit;
    if (isWhole || commit === undefined) events.push({ kind: 'pull-closed', pull: known.pull });
    else {
      const { pull, ref, base, title, author, approved } = known;
      look({ pull, ref, commit, base, title, author, approved: approved.filter((one) => one === commit) });
    }
  }
  return events;
}

/** Known pull requests that are not in this part of the list, those asked for least recently first. */
export function unlisted(
  { pulls }: WatchState,
  { pulls: open, isWhole }: SeenPulls,
  askedAt: ReadonlyMap<number, number>,
): number[] {
  if (isWhole) return [];
  const listed = new Set(open.map(({ pull }) => pull));
  return [...pulls.keys()]
    .filter((pull) => !listed.has(pull))
    .sort((a, b) => (askedAt.get(a) ?? 0) - (askedAt.get(b) ?? 0))
    .slice(0, watchLimits.pullsAskedMax);
}

const isSame = (a: PullSeen, b: PullSeen): boolean =>
  a.commit === b.commit &&
  a.title === b.title &&
  a.author === b.author &&
  a.base === b.base &&
  a.approved.length === b.approved.length;
