import picomatch from 'picomatch';
import { globFault, globMatcher, globMatches } from '../../protocol/base/pattern.ts';

/** An owner's rule of what to publish, of which pushes. The first rule that matches a ref decides. */
export interface WatchRule {
  name: string;
  /** Patterns of names of branches, and of tags, without `refs/heads/` and `refs/tags/`. */
  branches: readonly string[];
  tags: readonly string[];
  /** Patterns of paths of which one has to be changed; empty: any push counts. */
  paths: readonly string[];
  /** This job and those it needs; absent: all. */
  job?: string | undefined;
  /** A push ends the runs of earlier commits of the same branch or tag. */
  supersede: boolean;
  /** Times at which the tips are published, in UTC. A rule with times is not for pushes. */
  cron?: string | undefined;
  /** Jobs that were built before are built again. */
  rebuild: boolean;
}

interface PullRule {
  /** Names on the forge whose pull requests need no approval. */
  authors: readonly string[];
  /** `LABEL:COMMIT` approves a commit; absent: labels approve nothing. */
  label?: string | undefined;
  paths: readonly string[];
  job?: string | undefined;
}

/** The settings that decide what is published. Part of the event `configured`, so that a replay uses the same. */
export interface WatchSettings {
  /** The repository, as it stands in requests. */
  url: string;
  rules: readonly WatchRule[];
  /** Absent: pull requests are not looked at. */
  pulls?: PullRule | undefined;
  /** Begins the name of each status. */
  context: string;
  /** Address of a run, with `{run}` for its id; absent: statuses have no link. */
  link?: string | undefined;
  /** Requests name their push, and with `subject` its commit's subject and author. Absent in journals of before: neither. */
  words?: { subject: boolean } | undefined;
  /** 2: patterns are those of `protocol/base/pattern.ts`. Absent: those of picomatch, in journals of before (ADR 0094). */
  dialect?: 2 | undefined;
}

const branchPrefix = 'refs/heads/';
const tagPrefix = 'refs/tags/';

/** Whether a rule is about one of these paths. A malformed pattern, of an order from before patterns were checked, leaves nothing out. */
export function touches(paths: readonly string[], patterns: readonly string[]): boolean {
  if (patterns.length === 0 || patterns.some((pattern) => globFault(pattern) !== undefined)) return true;
  const matchers = patterns.map(globMatcher);
  return paths.some((path) => matchers.some((matches) => matches(path)));
}

/** Whether a rule of these settings is about a ref. A rule without patterns is about none. */
export function isAbout(
  { dialect }: Pick<WatchSettings, 'dialect'>,
  { branches, tags }: Pick<WatchRule, 'branches' | 'tags'>,
  ref: string,
): boolean {
  const [patterns, prefix] = ref.startsWith(tagPrefix) ? [tags, tagPrefix] : [branches, branchPrefix];
  if (!ref.startsWith(prefix)) return false;
  const name = ref.slice(prefix.length);
  return dialect === undefined
    ? picomatch([...patterns], { dot: true, nonegate: true })(name)
    : patterns.some((pattern) => globMatches(pattern, name));
}

export const ruleFor = (settings: WatchSettings, ref: string): WatchRule | undefined =>
  settings.rules.find((rule) => rule.cron === undefined && isAbout(settings, rule, ref));
