import picomatch from 'picomatch';

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

/** Of pull requests. */
export interface PullRule {
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
}

const branchPrefix = 'refs/heads/';
const tagPrefix = 'refs/tags/';

/** `*` stands for part of a name without `/`, `**` for any part. Names and paths that begin with a dot match too. No pattern matches nothing. */
const matcherOf = (patterns: readonly string[]): ((name: string) => boolean) =>
  picomatch([...patterns], { dot: true, nonegate: true });

/** Whether one of these paths is what a rule is about. */
export function touches(paths: readonly string[], patterns: readonly string[]): boolean {
  if (patterns.length === 0) return true;
  const fits = matcherOf(patterns);
  return paths.some((path) => fits(path));
}

export function isAbout({ branches, tags }: Pick<WatchRule, 'branches' | 'tags'>, ref: string): boolean {
  if (ref.startsWith(branchPrefix)) return matcherOf(branches)(ref.slice(branchPrefix.length));
  return ref.startsWith(tagPrefix) && matcherOf(tags)(ref.slice(tagPrefix.length));
}

/** The rule for a push to a ref. */
export const ruleFor = ({ rules }: WatchSettings, ref: string): WatchRule | undefined =>
  rules.find((rule) => rule.cron === undefined && isAbout(rule, ref));
