import { sayFull } from '../../node/full-warning.ts';
import { accountLine, accountOf, defaultRef } from '../../protocol/account/index.ts';
import { assert } from '../../protocol/base/errors.ts';
import { refsNamed } from '../../protocol/base/git-ref.ts';
import { leastWorkerOf } from '../../protocol/base/least-version.ts';
import { limits } from '../../protocol/base/limits.ts';
import { type Charter, type Policy, pushWordsIn } from '../../protocol/documents/index.ts';
import { trustLimits } from '../../protocol/trust/limits.ts';
import { oddsByShare, policyText } from '../../protocol/trust/odds-report.ts';
import { passReason } from '../../protocol/wire/pass-reason.ts';
import { behindText } from '../../protocol/wire/peer-version.ts';
import { isOver, type RunFacts } from '../machine/facts.ts';
import { fullKeys, operatorsLeft } from '../machine/members/revocations.ts';
import { findRun, pipelineOf, summaryOf } from '../machine/queries/summary.ts';
import { type ListState, listStates, type RunFilter } from '../machine/run-lists.ts';
import { type ControllerState, liveLeases } from '../machine/state.ts';
import { controllerNodeLimits } from './limits.ts';

export type RunSummary = ReturnType<typeof summaryOf>;
export type PipelineJob = ReturnType<typeof pipelineOf>[number];

/** Of a list: `ref` is a full name, or one as people write it (`refsNamed`). */
export type ViewFilter = Omit<RunFilter, 'refs'> & { ref?: string | undefined };

/** Jobs that were published together. */
export interface PushView {
  /** Its first run, by which it is known while it grows. */
  id: string;
  ref: string;
  commit: string;
  /** Of the commit, as its publisher says. */
  subject?: string;
  author?: string;
  /** Operator of the key that published it; empty where that is not known. */
  publisher: string;
  /** Of its first run. */
  submittedAt: number;
  /** In the order they were submitted. */
  jobs: RunSummary[];
}

/** The last commit of a branch or tag that was built, as of a push, with the newest run of each of its jobs. */
export type BranchView = Omit<PushView, 'id'>;

/** The contents of the pages of a project. Nothing in it is sealed. */
export type ProjectView = ReturnType<typeof projectView>;
export type RunView = ReturnType<ProjectView['run']>;
/** The figures of the charter's policies, by the number of operators that the controller counts. */
export type PolicyView = ReturnType<typeof policyOf>;

interface ProjectViewPorts {
  project: string;
  name: string;
  state: ControllerState;
  addresses(): string[];
  equivocations(): string[];
  connections?(): { max: number; refused: number; isFull: boolean };
}

const pageRuns = controllerNodeLimits.pageRunsMax;
const troubleRuns = 10;

/** Reads what a controller knows. Each call costs a page at most, however many runs there were. */
export function projectView({ project, name, state, ...ports }: ProjectViewPorts) {
  const summary = (run: RunFacts) => summaryOf(state, run);
  const page = (filter: RunFilter, max: number, before?: number) => {
    const { runs, next } = state.index.list(filter, max, before);
    return { runs: runs.map(summary), next };
  };
  const full = () => {
    const connections = ports.connections?.();
    return connections?.isFull === true ? sayFull(connections) : null;
  };
  const troubled = (listState: ListState) => ({
    count: state.index.lists.countOf(listState),
    runs: page({ listState }, troubleRuns).runs,
  });
  let figures: { key: string; policy: PolicyView } | undefined;
  const policy = (): PolicyView | undefined => {
    const { payload } = state.charter ?? {};
    const operators = Math.min(operatorsLeft(state).length, trustLimits.oddsOperatorsMax);
    if (payload === undefined || operators === 0) return undefined;
    const key = `${payload.epoch} ${operators}`;
    if (figures?.key !== key) figures = { key, policy: policyOf(payload, operators) };
    return figures.policy;
  };
  return {
    /** Root key. */
    project,
    name,
    /** Undefined where nobody counts operators, or there are none. */
    policy,
    /** Where consumers find the network. */
    bootstrap: () => ports.addresses().slice(0, limits.feedUrlsMax),
    /** Those that were published last, the newest first. */
    branches: (): BranchView[] => state.index.lists.recentRefs().map((ref) => branchOf(state, ref)),
    /** Any of them, by its full name: one by itself costs a fiftieth. */
    branch: (ref: string) => (state.index.lists.has(ref) ? branchOf(state, ref) : undefined),
    /** The branch that the page opens with, also where many others were published since; undefined where nothing was. */
    defaultBranch: () => {
      const { lists } = state.index;
      const ref = defaultRef((name) => lists.has(name), lists.recentRefs());
      return ref === undefined ? undefined : branchOf(state, ref);
    },
    /** The newest first; `before` as `next` of the page before, which is undefined at the end. */
    runs: (filter: ViewFilter, before?: number) => page(runFilterOf(filter), pageRuns, before),
    /** Pushes with a job that the filter lets through; the newest first, by their first jobs. */
    pushes: (filter: ViewFilter, before?: number) => {
      const { pagePushesMax: max, pagePushJobsMax: runsMax } = controllerNodeLimits;
      const { pushes, next } = state.index.listPushes(runFilterOf(filter), { before, max, runsMax });
      return { pushes: pushes.map((runs) => pushOf(state, runs)), next };
    },
    counts: () => {
      const { lists, size } = state.index;
      const each = listStates.map((one) => [one, lists.countOf(one)]);
      return { ...(Object.fromEntries(each) as Record<ListState, number>), all: size };
    },
    /** The oldest first, at most a page, each with who works on it. */
    queue: () =>
      [...state.index.open.values()].slice(0, pageRuns).map((run) => ({
        summary: summary(run),
        building: [...new Set(liveLeases(run).map(({ operator }) => operator))],
      })),
    /** At most a page, and how many there are. */
    workers: () => workersOf(state),
    /** Runs, evidence and keys that somebody should look at, the newest first. */
    trouble: () => ({
      alarms: {
        count: state.alarms.size,
        runs: [...state.alarms]
          .slice(-troubleRuns)
          .reverse()
          .flatMap((id) => state.index.get(id) ?? [])
          .map(summary),
      },
      revoked: troubled('revoked'),
      revocations: state.revocations
        .slice(-troubleRuns)
        .reverse()
        .map(({ revocation: { payload } }) => ({
          what: payload.what.kind,
          id: payload.what.id,
          since: payload.since,
          reason: payload.reason,
        })),
      /** Evidence against the log, in words. */
      equivocations: ports.equivocations(),
      fullKeys: fullKeys(state),
      /** Says that members were refused of late, because all connections are taken. */
      full: full(),
      declined: declinedIn(state),
    }),
    /** By its id or the start of one. @throws `JOB_UNKNOWN`, `JOB_AMBIGUOUS`. */
    run: (which: string) => {
      const run = state.index.get(which) ?? findRun(state, which);
      return {
        summary: summary(run),
        /** The operator of the key that published it. */
        publisher: run.publisher.payload.operator,
        history: run.history,
        /** Whether the history is not to grow. */
        over: isOver(run),
        pipeline: pipelineOf(state, run, { withPush: true }),
      };
    },
    /** Changes when what `run` gives does; undefined for an id that no run has. */
    version: (id: string) => {
      const run = state.index.get(id);
      if (run === undefined) return undefined;
      return pipelineOf(state, run, { withPush: true })
        .map((job) => `${job.run} ${accountLine(accountOf(job))}`)
        .concat(String(run.history.length), accountLine(accountOf(summary(run))))
        .join('\n');
    },
  };
}

const runFilterOf = ({ ref, ...filter }: ViewFilter): RunFilter => ({
  ...filter,
  ...(ref !== undefined && { refs: refsNamed(ref) }),
});

function pushOf(state: ControllerState, runs: readonly RunFacts[]): PushView {
  const jobs = runs.map((run) => summaryOf(state, run));
  const [first] = runs;
  assert(first !== undefined, 'a push has a run');
  return { id: first.id, ...publicationOf(first), jobs };
}

function publicationOf({ request, publisher, submittedAt }: RunFacts): Omit<PushView, 'id' | 'jobs'> {
  const { ref, commit } = request.payload;
  const { subject, author } = pushWordsIn(request.payload);
  return {
    ref,
    commit,
    publisher: publisher.payload.operator,
    submittedAt,
    ...(subject !== undefined && { subject }),
    ...(author !== undefined && { author }),
  };
}

/** Most commits have a few jobs: this many runs are looked at first. */
const branchRuns = 16;

function branchOf(state: ControllerState, ref: string): BranchView {
  const jobs = new Map<string, RunFacts>();
  let newest: RunFacts | undefined;
  let before: number | undefined;
  for (let looked = 0; looked < limits.pipelineJobsMax; looked += branchRuns) {
    const { runs, next } = state.index.list({ refs: [ref] }, branchRuns, before);
    newest ??= runs[0];
    const { commit } = newest?.request.payload ?? {};
    const ofCommit = runs.filter(({ request }) => request.payload.commit === commit);
    for (const run of ofCommit) if (!jobs.has(run.job.name)) jobs.set(run.job.name, run);
    before = next;
    if (ofCommit.length < runs.length || next === undefined) break;
  }
  return {
    ...(newest === undefined ? { ref, commit: '', publisher: '', submittedAt: 0 } : publicationOf(newest)),
    jobs: [...jobs.values()].reverse().map((run) => summaryOf(state, run)),
  };
}

/** Workers that are connected. Says nothing of where each is, nor of how large its host is. */
function workersOf(state: ControllerState) {
  const builds = new Map<string, number>();
  for (const run of state.index.open.values())
    for (const { worker } of liveLeases(run)) builds.set(worker, (builds.get(worker) ?? 0) + 1);
  const { workers } = state.presence;
  const least = leastWorkerOf(state.charter?.payload);
  const shown = [...workers]
    .slice(0, controllerNodeLimits.pageWorkersMax)
    .map(([worker, { operator, role, capabilities, version }]) => ({
      operator,
      trusted: role === 'trusted-worker',
      id: worker.slice(-6),
      arch: capabilities.arch,
      tiers: [...capabilities.tiers],
      builds: builds.get(worker) ?? 0,
      behind: behindText(version, least) ?? null,
    }));
  const named = ({ trusted, operator, id }: (typeof shown)[number]) => `${trusted ? 0 : 1} ${operator} ${id}`;
  shown.sort((a, b) => (named(a) < named(b) ? -1 : 1));
  return { shown, count: workers.size };
}

function policyOf({ floor, testFloor = floor }: Charter, operators: number) {
  const shown = (of: 'jobs' | 'tests', policy: Policy) => ({
    of,
    policy,
    shares: oddsByShare(policy, operators),
  });
  const same = policyText(floor) === policyText(testFloor);
  return {
    operators,
    floors: same ? [shown('jobs', floor)] : [shown('jobs', floor), shown('tests', testFloor)],
  };
}

/** Each operator that may still take an open run, with the last reason that it gave, as the account of the run has it; so of the trusted worker. */
function declinedIn(state: ControllerState) {
  const reasons = new Map<string, string>();
  for (const run of [...state.index.open.values()].slice(0, pageRuns)) {
    const { declined = [], trustedPassed } = summaryOf(state, run).open ?? {};
    for (const { operator, reason } of declined) reasons.set(operator, passReason(reason));
    if (trustedPassed !== undefined) reasons.set('the trusted worker', passReason(trustedPassed));
  }
  return [...reasons].slice(0, pageRuns).map(([operator, reason]) => ({ operator, reason }));
}
