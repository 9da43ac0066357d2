import { shortRef } from '../base/git-ref.ts';
import { counted, duration, listed } from '../base/quantity.ts';
import type { RunSummary } from '../wire/runs.ts';
import { ownSignersText } from '../wire/told-policy.ts';
import { accountOf } from './account.ts';
import type { RunState } from './states.ts';
import { attention, worstOf } from './whole-state.ts';

/** The last commit of a branch or tag, as headlines tell of it. */
export interface Branch {
  /** Full name. */
  ref: string;
  submittedAt: number;
  jobs: readonly RunSummary[];
}

export interface Headline {
  /** Of all jobs together; undefined where nothing was published. */
  state: RunState | undefined;
  /** A sentence without its full stop. Texts of others in it are as they came: escape it. */
  says: string;
  /** The run that it is about, where it is about one. */
  run?: string;
}

const verbs: Record<RunState, string> = {
  waiting: 'waits',
  building: 'is being built',
  sealed: 'was built, and its results are sealed',
  provisional: 'is provisional',
  agreed: 'is agreed on',
  trusted: 'is trusted',
  differs: 'was built again and differs',
  failed: 'failed',
  aborted: 'was aborted',
  disputed: 'is disputed',
  unfinished: 'is unfinished',
  lost: 'is lost',
  cancelled: 'was cancelled',
  revoked: 'is revoked',
};

/** How a branch stands, in one sentence. */
export function headlineOf(branch: Branch | undefined): Headline {
  const worst = branch && worstOf(branch.jobs);
  if (branch === undefined || worst === undefined)
    return { state: undefined, says: 'nothing was published yet' };
  const { jobs } = branch;
  const { state, reason } = accountOf(worst);
  const head = `${shortRef(branch.ref)} ${verbs[state]}`;
  if (state === 'trusted') return { state, says: `${head}: ${madeBy(jobs)}${inTime(jobs)}` };
  const alike = jobs.filter((job) => job !== worst && accountOf(job).state === state).length;
  const which =
    jobs.length === 1 ? '' : `${worst.name}${alike === 0 ? '' : ` and ${counted(alike, 'other job')}`}`;
  // Reasons of what goes on are the rest of a sentence.
  const whole = which === '' ? head : `${head}: ${which}`;
  const goesOn = /^(?:for|by) /.test(reason);
  return { state, says: reason === '' ? whole : `${whole}${goesOn ? '' : ':'} ${reason}`, run: worst.run };
}

const namesMax = 5;

/** `alice, bob and your own worker made the same bytes`. */
function madeBy(jobs: readonly RunSummary[]): string {
  const built = jobs.filter(({ artifact }) => artifact !== null);
  const told = built.length > 0 ? built : jobs;
  const [first] = told;
  const who = new Set(told.map(builders));
  const same = built.length > 0 ? 'the same bytes' : 'the same results';
  if (jobs.length === 1 && first !== undefined) return `${builders(first)} made ${same}${signed(told)}`;
  const by = who.size === 1 ? [...who].join('') : 'enough operators';
  return `${counted(jobs.length, 'job')}, each with ${same} from ${by}${signed(told)}`;
}

function builders({ tally, policy, earlier, cosigned }: RunSummary): string {
  const own = policy.cosign && cosigned !== false ? [ownSignersText(policy)] : [];
  const { by = [], same } = tally ?? {};
  const more = by.length - namesMax;
  const operators =
    by.length > 0
      ? [...by.slice(0, namesMax), ...(more > 0 ? [counted(more, 'other operator')] : [])]
      : [earlier !== undefined ? 'operators of an earlier run' : counted(same ?? policy.agree, 'operator')];
  return listed([...operators, ...own]);
}

const signed = (jobs: readonly RunSummary[]): string =>
  jobs.some(({ cosigned }) => cosigned === false) ? ', and witnesses signed the log' : '';

/**
 * From the publication of the first job to the end of the last, in ms; of jobs that were published apart the longest of these. Undefined
 * while one is open.
 */
export function pushMs(
  jobs: readonly Pick<RunSummary, 'submittedAt' | 'doneMs' | 'push'>[],
): number | undefined {
  const ends = jobs.flatMap(({ submittedAt, doneMs }) => (doneMs === undefined ? [] : submittedAt + doneMs));
  if (jobs.length === 0 || ends.length < jobs.length) return undefined;
  const isOne = new Set(jobs.map(({ push }) => push)).size === 1;
  return isOne
    ? Math.max(...ends) - Math.min(...jobs.map(({ submittedAt }) => submittedAt))
    : Math.max(...jobs.map(({ doneMs = 0 }) => doneMs));
}

function inTime(jobs: readonly RunSummary[]): string {
  const ms = pushMs(jobs);
  return ms === undefined ? '' : `, in ${duration(ms)}`;
}

/** Full names by which the default branch is looked for. */
const defaultRefs = ['refs/heads/main', 'refs/heads/master'];

/** The branch that a page opens with: `main`, else `master`, else the branch that was published last, else what was. `recent`: the newest first. */
export const defaultRef = (has: (ref: string) => boolean, recent: readonly string[]): string | undefined =>
  defaultRefs.find(has) ?? recent.find((ref) => ref.startsWith('refs/heads/')) ?? recent[0];

/** The same of some branches. */
export function defaultBranch<Of extends Branch>(branches: readonly Of[]): Of | undefined {
  const newest = branches.toSorted((a, b) => b.submittedAt - a.submittedAt);
  const of = (name: string | undefined) => newest.find(({ ref }) => ref === name);
  return of(
    defaultRef(
      (name) => of(name) !== undefined,
      newest.map(({ ref }) => ref),
    ),
  );
}

/** Branches by what needs attention: alarms, then the worst states, trusted ones last; of equals the newest first. */
export function byAttention<Of extends Branch>(branches: readonly Of[]): Of[] {
  const ranked = branches.map((branch) => ({ branch, rank: attention(branch.jobs) }));
  ranked.sort((a, b) => a.rank - b.rank || b.branch.submittedAt - a.branch.submittedAt);
  return ranked.map(({ branch }) => branch);
}
