import { type GlobWork, globMatcher, refMatches } from '../base/pattern.ts';
import { pipelineLimits } from './limits.ts';
import type { Instance, Template } from './template.ts';

/** Facts that the conditions of a file are evaluated with. */
export interface CommitFacts {
  /** Full name of the branch or tag, or a commit id. */
  ref: string;
  /** Paths that differ from the base; absent where no base is named: then everything counts as changed. */
  changed?: { base: string; paths: readonly string[] };
}

type SkipReason =
  | { kind: 'ref'; ref: string; patterns: readonly string[] }
  | { kind: 'changed'; base: string; patterns: readonly string[] }
  | { kind: 'needs'; job: string };

/** A job of the file of which nothing is published. */
export interface Skipped {
  job: string;
  /** Names of the instances it would have had. */
  instances: string[];
  reason: SkipReason;
}

/** The expanded job file of a commit. */
export interface Plan<T extends Template = Template> {
  /** Each comes after those it needs. */
  instances: Instance<T>[];
  /** In the order of the pipeline. */
  skipped: Skipped[];
}

/** Decides the conditions of jobs, in the order of `expandTemplates`. A job that needs a skipped one is skipped. */
export function planPipeline<T extends Template>(
  instances: readonly Instance<T>[],
  facts: CommitFacts,
): Plan<T> {
  const skipped = new Map<string, Skipped>();
  const published: Instance<T>[] = [];
  const work = { left: pipelineLimits.globWorkMax };
  for (const [template, own] of Map.groupBy(instances, (instance) => instance.template)) {
    const reason = skipReason(template, facts, skipped, work);
    if (reason === undefined) published.push(...own);
    else skipped.set(template.name, { job: template.name, instances: own.map(({ name }) => name), reason });
  }
  return { instances: published, skipped: [...skipped.values()] };
}

function skipReason(
  { if: { ref: refs, changed: globs }, needs }: Template,
  { ref, changed }: CommitFacts,
  skipped: ReadonlyMap<string, Skipped>,
  work: GlobWork,
): SkipReason | undefined {
  const without = needs.find(({ job }) => skipped.has(job));
  if (without !== undefined) return { kind: 'needs', job: without.job };
  if (refs !== undefined && !refs.some((pattern) => refMatches(pattern, ref)))
    return { kind: 'ref', ref, patterns: refs };
  if (globs === undefined || changed === undefined) return undefined;
  const matchers = globs.map(globMatcher);
  return changed.paths.some((path) => matchers.some((matches) => work.left <= 0 || matches(path, work)))
    ? undefined
    : { kind: 'changed', base: changed.base, patterns: globs };
}

export function skipText(reason: SkipReason): string {
  switch (reason.kind) {
    case 'ref':
      return `${reason.ref} matches none of: ${reason.patterns.join(', ')}`;
    case 'changed':
      return `nothing changed since ${reason.base.slice(0, 12)} in: ${reason.patterns.join(', ')}`;
    case 'needs':
      return `needs ${reason.job}, which is skipped`;
  }
}
