import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { joseVerifier } from '../../identity/verifier.ts';
import { branchJobs, defaultBranch, pushesOf } from '../../protocol/account/index.ts';
import { assert, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { refsNamed } from '../../protocol/base/git-ref.ts';
import { limits } from '../../protocol/base/limits.ts';
import { decodeBundle, openMessage, type PushWords, pushWordsIn } from '../../protocol/documents/index.ts';
import {
  countsUncosigned,
  type Verification,
  type VerifiedFacts,
  verifyBundle,
} from '../../protocol/trust/index.ts';
import type { Revoked } from '../../protocol/trust/revocations.ts';
import { toldPolicy } from '../../protocol/wire/told-policy.ts';
import { type ListState, listStates } from '../machine/run-lists.ts';
import { controllerNodeLimits } from './limits.ts';
import type { BranchView, ProjectView, PushView, RunSummary, RunView, ViewFilter } from './project-view.ts';

interface BundlesViewOptions {
  /** Folder with bundles, as fetch --bundle-out writes them or a controller keeps them. */
  dir: string;
  files: readonly string[];
  /** Root key. */
  project: string;
  revocations: readonly Revoked[];
  /** A file that proves nothing is left out. */
  onRefused(file: string, why: string): void;
}

interface Proven {
  level: Exclude<Verification['level'], 'none' | 'provisional'>;
  facts: VerifiedFacts;
  words: PushWords;
  at: number;
}

/** The pages of a project from bundles alone, each verified against the root key. There are no open runs, workers or logs. */
export async function bundlesView(options: BundlesViewOptions): Promise<ProjectView> {
  const { project } = options;
  const proven = await readAll(options);
  const runs = [...proven.values()].sort((a, b) => b.at - a.at);
  const summaries = runs.map(summaryOf);
  const branches = branchesIn(runs.toReversed());
  const pushes = pushesIn(runs.toReversed());
  const listStateOf = ({ level }: RunSummary): ListState => level ?? 'cancelled';
  const lets =
    ({ ref, name, listState }: ViewFilter) =>
    (one: RunSummary) =>
      (ref === undefined || refsNamed(ref).includes(one.ref)) &&
      (name === undefined || one.name === name) &&
      (listState === undefined || listStateOf(one) === listState);
  return {
    project,
    name: 'Bundles',
    bootstrap: () => [],
    branches: () => branches,
    defaultBranch: () => defaultBranch(branches),
    branch: (name) => branches.find(({ ref }) => ref === name),
    runs(filter, before = 0) {
      const { shown, next } = pageOf(
        summaries.filter(lets(filter)),
        before,
        controllerNodeLimits.pageRunsMax,
      );
      return { runs: shown, next };
    },
    pushes(filter, before = 0) {
      const found = pushes.filter(({ jobs }) => jobs.some(lets(filter)));
      const { shown, next } = pageOf(found, before, controllerNodeLimits.pagePushesMax);
      return { pushes: shown, next };
    },
    counts() {
      const counts = Object.fromEntries(listStates.map((one) => [one, 0])) as Record<ListState, number>;
      for (const one of summaries) counts[listStateOf(one)]++;
      return { ...counts, all: summaries.length };
    },
    queue: () => [],
    workers: () => ({ shown: [], count: 0 }),
    policy: () => undefined,
    trouble: () => ({
      alarms: { count: 0, runs: [] },
      revoked: { count: 0, runs: [] },
      revocations: [],
      equivocations: [],
      fullKeys: [],
      full: null,
      declined: [],
    }),
    run(which) {
      const one = runs.find(
        ({ facts }) =>
          facts.request.startsWith(which) ||
          facts.job.startsWith(which) ||
          facts.artifact?.startsWith(which) === true,
      );
      if (one === undefined) throw new QuorateError('JOB_UNKNOWN', `no bundle here is of ${which}`);
      return viewOf(one);
    },
    version: (run) => (proven.has(run) ? run : undefined),
  };
}

async function readAll({
  dir,
  files,
  project,
  revocations,
  onRefused,
}: BundlesViewOptions): Promise<Map<string, Proven>> {
  const proven = new Map<string, Proven>();
  /** A controller keeps one file under several names. */
  const seen = new Set<string>();
  for (const name of [...files].sort().slice(0, controllerNodeLimits.pageBundlesMax)) {
    try {
      const text = await readBounded(join(dir, name), seen, (why) => onRefused(name, why));
      if (text === undefined) continue;
      const bundle = decodeBundle(text);
      const verification = await verifyBundle(bundle, { project, revocations }, joseVerifier);
      const { ok, level, facts, steps } = verification;
      if (!ok || facts === null) onRefused(name, steps.at(-1)?.says ?? 'it proves nothing');
      else if (level !== 'none' && level !== 'provisional') {
        const { payload } = await openMessage('request', bundle.request, joseVerifier);
        const words = pushWordsIn(payload);
        proven.set(facts.request, { level, facts, words, at: Date.parse(facts.time) });
      }
    } catch (error) {
      onRefused(name, messageOf(error));
    }
  }
  return proven;
}

/** Undefined for what is no file, for a file that was read already, and for one that is too large. */
async function readBounded(
  path: string,
  seen: Set<string>,
  onRefused: (why: string) => void,
): Promise<string | undefined> {
  const file = await open(path, 'r');
  try {
    const stat = await file.stat();
    const id = `${stat.dev} ${stat.ino}`;
    if (!stat.isFile() || seen.has(id)) return undefined;
    seen.add(id);
    if (stat.size <= limits.bundleBytesMax) return await file.readFile('utf8');
    onRefused('it is larger than a bundle can be');
    return undefined;
  } finally {
    await file.close();
  }
}

function summaryOf({ level, facts, words: { push: _, ...words }, at }: Proven): RunSummary {
  const { request, job, name, repo, ref, commit, recipe, policy, artifact } = facts;
  const isTest = facts.kind === 'test';
  return {
    run: request,
    job,
    name,
    repo,
    ref,
    commit,
    state: 'done',
    level,
    submittedAt: at,
    round: 1,
    ...words,
    ...(isTest && { test: true as const }),
    ...(recipe !== null && { recipe }),
    artifact: isTest ? null : artifact,
    ...(isTest && artifact !== null && { reports: artifact }),
    ...(countsUncosigned(policy, level) && { cosigned: false as const }),
    ...(facts.earlier !== null && { earlier: facts.earlier }),
    ...(level !== 'failed' && {
      tally: { ended: facts.operators.length, failed: 0, same: facts.operators.length },
    }),
    policy: toldPolicy(policy),
  };
}

function viewOf(proven: Proven): RunView {
  const { facts, at, level } = proven;
  const summary = summaryOf(proven);
  const same = facts.artifact ?? 'no outputs';
  const results = [
    ...facts.operators.map((operator, slot) => ({ operator, worker: '', slot, result: same, log: null })),
    ...facts.dissent.map(({ operator, worker, outcome }, n) => ({
      operator,
      worker,
      slot: facts.operators.length + n,
      result: textOf(outcome),
      log: null,
    })),
  ];
  return {
    summary,
    publisher: facts.publisher,
    over: true,
    history: [
      { at, progress: { kind: 'round', round: 1, offer: '', ...summary.policy } },
      { at, progress: { kind: 'revealed', round: 1, results } },
      { at, progress: { kind: 'verdict', level, artifact: summary.artifact } },
    ],
    pipeline: [{ run: summary.run, name: summary.name, state: 'done', level, needs: [] }],
  };
}

const textOf = (outcome: VerifiedFacts['dissent'][number]['outcome']): string =>
  outcome.kind === 'exit' ? (outcome.artifact ?? `exit ${outcome.code}`) : `aborted: ${outcome.reason}`;

/** Of runs in the order of their verdicts, as that of pushes is: bundles do not tell when something was published. */
function branchesIn(runs: readonly Proven[]): BranchView[] {
  const branches = branchJobs(runs.map((run) => ({ ...run.facts, run })));
  return [...branches.values()]
    .map((of) =>
      viewOfRuns(
        of.map(({ run }) => run),
        of.at(-1)?.run,
      ),
    )
    .sort((a, b) => b.submittedAt - a.submittedAt)
    .slice(0, controllerNodeLimits.pageRunsMax);
}

function pushesIn(runs: readonly Proven[]): PushView[] {
  const pushes = pushesOf(runs, ({ facts, words: { push = '' } }) => ({ ...facts, push }));
  return pushes.map((of) => viewOfRuns(of, of[0])).reverse();
}

/** `told`: the run whose words and time they are known by. */
function viewOfRuns(runs: readonly Proven[], told: Proven | undefined): PushView {
  assert(told !== undefined, 'a push has a run');
  const { facts, words, at } = told;
  const { request, ref, commit, publisher } = facts;
  const { push: _, ...commitWords } = words;
  return { id: request, ref, commit, ...commitWords, publisher, submittedAt: at, jobs: runs.map(summaryOf) };
}

function pageOf<T>(all: readonly T[], before: number, max: number): { shown: T[]; next: number | undefined } {
  const end = before + max;
  return { shown: all.slice(before, end), next: end < all.length ? end : undefined };
}
