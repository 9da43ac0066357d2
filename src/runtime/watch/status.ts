import {
  type Account,
  type AccountFacts,
  accountLine,
  accountOf,
  type RunState,
  worstOf,
} from '../../core/account/index.ts';
import { unreachable } from '../../core/errors.ts';

/** How a run stands, as far as statuses say. */
export interface RunStand extends Pick<AccountFacts, 'state' | 'level' | 'reason' | 'cosigned'> {
  run: string;
  /** Its verdict does not stand any more. */
  revoked?: true | undefined;
  /** Its account, by all that was known when it was read. */
  account?: Pick<Account, 'state' | 'reason'> | undefined;
}

/** What a forge shows beside a commit. Only `success` is green. */
export interface Status {
  state: 'pending' | 'success' | 'failure' | 'error';
  /** One line, at most `statusCharsMax`. */
  says: string;
  /** Absolute URL. */
  link?: string | undefined;
}

/** What the strictest of the forges takes (GitHub), in characters. */
export const statusCharsMax = 140;

export const isSame = (a: Status, b: Status | undefined): boolean =>
  b !== undefined && a.state === b.state && a.says === b.says && a.link === b.link;

/** Of each state of a run. */
function shadeOf(state: RunState): Status['state'] {
  switch (state) {
    case 'trusted':
      return 'success';
    case 'waiting':
    case 'building':
    case 'sealed':
    case 'provisional':
    case 'agreed':
      return 'pending';
    case 'failed':
    case 'aborted':
    case 'disputed':
    case 'unfinished':
    case 'revoked':
      return 'failure';
    case 'cancelled':
    case 'lost':
      return 'error';
    default:
      return unreachable(state, 'state of a run');
  }
}

/** A job's status. It never says more than the level. */
export function statusOfRun(stand: Omit<RunStand, 'run'> | undefined): Status {
  if (stand === undefined) return { state: 'pending', says: 'published' };
  const account = stand.account ?? accountOf(stand);
  return { state: shadeOf(account.state), says: accountLine(account) };
}

/** Of all jobs together: green when each is trusted. */
export function statusOfAll(stands: readonly (Omit<RunStand, 'run'> | undefined)[]): Status {
  const each = stands.map(statusOfRun);
  const count = (state: Status['state']) => each.filter((one) => one.state === state).length;
  const of = `of ${stands.length}`;
  if (count('failure') > 0) return { state: 'failure', says: `${count('failure')} ${of} failed` };
  if (count('error') > 0) return { state: 'error', says: `${count('error')} ${of} cancelled` };
  const trusted = count('success');
  if (trusted === stands.length) return { state: 'success', says: 'trusted' };
  const agreed = stands.filter((stand) => stand?.level === 'agreed').length;
  if (trusted + agreed === stands.length)
    return { state: 'pending', says: 'agreed, waiting for the trusted worker' };
  return { state: 'pending', says: `${trusted} ${of} trusted, ${agreed} agreed` };
}

/** One word for several jobs: `pending` while more may come of one of them, `none` where there is none. */
export type WholeState =
  | Exclude<RunState, 'waiting' | 'building' | 'sealed' | 'provisional'>
  | 'pending'
  | 'none';

/** The worst of some runs; undefined stands for one of which nothing is known yet. */
export function stateOfAll(runs: readonly (AccountFacts | undefined)[]): WholeState {
  const known = runs.flatMap((run) => run ?? []);
  const worst = worstOf(known);
  const state = worst === undefined ? 'pending' : accountOf(worst).state;
  switch (state) {
    case 'waiting':
    case 'building':
    case 'sealed':
    case 'provisional':
      return 'pending';
    case 'agreed':
    case 'trusted':
      return known.length < runs.length ? 'pending' : state;
    default:
      return state;
  }
}
