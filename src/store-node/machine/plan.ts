import { assert } from '../../protocol/base/errors.ts';
import { refMatches } from '../../protocol/base/pattern.ts';
import { compareTexts } from '../../protocol/base/text.ts';

/** A verdict, whose evidence was verified, on a tree. Times in milliseconds since the epoch. */
export interface Entry {
  /** Id of the request. */
  run: string;
  tree: string;
  repo: string;
  ref: string;
  name: string;
  level: 'trusted' | 'agreed';
  decidedAt: number;
}

/** A tree that a controller asked this store to hold before there is a verdict. */
export interface Asked {
  tree: string;
  /** It is held until then, whatever else is to be kept. */
  until: number;
}

/** How long trees of some branches or tags are kept. The first rule that fits a tree's ref and level counts. */
export interface RetentionRule {
  /** A pattern of refs (`refMatches`). Absent: whatever was built, commits by their id and pull requests included. */
  ref?: string;
  /** Of both levels where absent. */
  level?: 'trusted' | 'agreed';
  /** Null: whatever their age. */
  ageMs: number | null;
}

export interface Retention {
  /** Bytes of all trees together, with what belongs to them. */
  quotaBytes: number;
  /** Trees that match none of these are not kept. */
  rules: readonly RetentionRule[];
  /** So many trees of each job at each ref, the newest, are kept whatever their age. */
  latest: number;
}

export interface Known {
  entries: readonly Entry[];
  asked: readonly Asked[];
  /** Bytes of each tree that is here as a whole, and of what belongs to it. */
  bytes: ReadonlyMap<string, number>;
  /** Trees that turned out to be larger than this many bytes. */
  larger: ReadonlyMap<string, number>;
}

/** `age`: no rule keeps it any more. `quota`: what is worth more takes the room. `unproven`: no verdict that holds is about it. */
export type DropReason = 'age' | 'quota' | 'unproven';

export interface Plan {
  /** Trees to keep, those that are worth most first. */
  keep: readonly string[];
  /** Trees among `bytes` that go. */
  drop: readonly { tree: string; why: DropReason }[];
  /** Trees to fetch, each of at most so many bytes, in this order. */
  missing: readonly { tree: string; maxBytes: number }[];
}

/** `asked`; then `trusted` before `agreed`, and of each the latest of a job at a ref before the others. */
type Rank = 0 | 1 | 2 | 3 | 4;

interface Candidate {
  tree: string;
  rank: Rank;
  decidedAt: number;
}

/**
 * Which trees a store keeps. They are ordered by what they are worth: those that a controller asked for until their time is over,
 * then trusted ones, then agreed ones; of each level first the latest of each job at each ref; then the newer before the older. From
 * the first that does not fit into the quota on, none is kept. A tree that is larger than the whole quota is passed over.
 *
 * The same knowledge gives the same plan, in whatever order it comes.
 *
 * The plan is two functions without state or I/O; the process keeps what is `Known`. Order of calls:
 *
 * 1. `roomForAsked`, before the process promises a controller to hold a tree.
 * 2. `planStore`, after each change of what is known and as time passes: the process deletes `drop`, then
 *    fetches the trees of `missing` one at a time, and plans again before each.
 */
export function planStore(known: Known, retention: Retention, now: number): Plan {
  assert(retention.quotaBytes >= 0 && retention.latest >= 0, 'a quota and a count are not negative');
  const candidates = candidatesOf(known, retention, now);
  const keep: string[] = [];
  const missing: { tree: string; maxBytes: number }[] = [];
  let used = 0;
  let full = false;
  for (const { tree, rank } of candidates) {
    const bytes = known.bytes.get(tree);
    const left = retention.quotaBytes - used;
    if (bytes === undefined) {
      if (!full && left > (known.larger.get(tree) ?? 0)) missing.push({ tree, maxBytes: left });
      continue;
    }
    if (bytes > retention.quotaBytes) continue;
    // Promised trees are within the quota: `roomForAsked` saw to that.
    if (rank !== 0 && bytes > left) full = true;
    if (full) continue;
    keep.push(tree);
    used += bytes;
  }
  const kept = new Set(keep);
  const wanted = new Set(candidates.map(({ tree }) => tree));
  const proven = new Set(known.entries.map(({ tree }) => tree));
  const reason = (tree: string): DropReason =>
    wanted.has(tree) ? 'quota' : proven.has(tree) ? 'age' : 'unproven';
  const drop = [...known.bytes.keys()]
    .filter((tree) => !kept.has(tree))
    .sort()
    .map((tree) => ({ tree, why: reason(tree) }));
  return { keep, drop, missing };
}

/**
 * Bytes that a tree may have that a controller asks for now: what trusted trees and earlier requests leave of the quota. So whoever holds
 * the controller's key displaces no trusted tree.
 */
export function roomForAsked(known: Known, retention: Retention, now: number): number {
  const kept = new Set(planStore(known, retention, now).keep);
  const held = candidatesOf(known, retention, now).filter(({ rank, tree }) => rank <= 2 && kept.has(tree));
  const used = held.reduce((sum, { tree }) => sum + (known.bytes.get(tree) ?? 0), 0);
  return Math.max(0, retention.quotaBytes - used);
}

/** One per tree, with the best of its ranks, in the order of what they are worth. */
function candidatesOf({ entries, asked }: Known, retention: Retention, now: number): Candidate[] {
  const latest = latestOf(entries, retention);
  const all: Candidate[] = [];
  for (const { tree, until } of asked) if (until > now) all.push({ tree, rank: 0, decidedAt: until });
  for (const entry of entries) {
    const rule = ruleOf(entry, retention.rules);
    if (rule === undefined) continue;
    const isLatest = latest.has(entry.run);
    const isYoung = rule.ageMs === null || now - entry.decidedAt <= rule.ageMs;
    if (!isLatest && !isYoung) continue;
    const rank: Rank = entry.level === 'trusted' ? (isLatest ? 1 : 2) : isLatest ? 3 : 4;
    all.push({ tree: entry.tree, rank, decidedAt: entry.decidedAt });
  }
  const byTree = Map.groupBy(all.sort(compare), ({ tree }) => tree);
  return [...byTree.values()].flatMap((of) => of.slice(0, 1)).sort(compare);
}

/** Runs whose trees are the newest of their job at their ref, of each level. An agreed one that a newer trusted one follows is none. */
function latestOf(entries: readonly Entry[], { rules, latest }: Retention): Set<string> {
  const ruled = entries.filter((entry) => ruleOf(entry, rules) !== undefined);
  const lines = Map.groupBy(ruled, ({ repo, ref, name }) => JSON.stringify([repo, ref, name]));
  const found = new Set<string>();
  for (const all of lines.values()) {
    all.sort((a, b) => b.decidedAt - a.decidedAt || compareTexts(a.run, b.run));
    const trusted = all.filter(({ level }) => level === 'trusted').slice(0, latest);
    const newest = trusted[0]?.decidedAt ?? Number.NEGATIVE_INFINITY;
    const agreed = all.filter(({ level, decidedAt }) => level === 'agreed' && decidedAt > newest);
    for (const { run } of [...trusted, ...agreed.slice(0, latest)]) found.add(run);
  }
  return found;
}

function ruleOf({ ref, level }: Entry, rules: readonly RetentionRule[]): RetentionRule | undefined {
  return rules.find(
    (rule) =>
      (rule.level === undefined || rule.level === level) &&
      (rule.ref === undefined || refMatches(rule.ref, ref)),
  );
}

const compare = (a: Candidate, b: Candidate): number =>
  a.rank - b.rank || b.decidedAt - a.decidedAt || compareTexts(a.tree, b.tree);
