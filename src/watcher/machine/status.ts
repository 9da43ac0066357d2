import {
  type Account,
  type AccountFacts,
  accountLine,
  accountOf,
  type RunState,
} from '../../protocol/account/index.ts';
import { stateOfAll, type WholeState } from '../../protocol/account/whole-state.ts';

export interface RunStand extends Pick<AccountFacts, 'state' | 'level' | 'reason' | 'cosigned'> {
  run: string;
  /** A revocation voids its verdict. */
  revoked?: true | undefined;
  /** Its account when it was read. Absent in journals of rules 1. */
  account?: Pick<Account, 'state' | 'reason'> | undefined;
}

export type Proof =
  /** Its bundle is trusted. `known` stands for the revocations that it was verified with. */
  | { kind: 'trusted'; cosigned: boolean; known: string }
  /** A revocation that is known here voids it. */
  | { kind: 'revoked'; says: string; known: string }
  /** Its bundle was not shown, does not hold, or may be revoked by what is kept back. */
  | { kind: 'missing'; code: string };

export interface Known {
  stand: Omit<RunStand, 'run'> | undefined;
  proof?: Proof | undefined;
}

/** A status that a forge shows beside a commit. Only `success` is green. */
export interface Status {
  state: 'pending' | 'success' | 'failure' | 'error';
  /** One line, at most `statusCharsMax`. */
  says: string;
  /** Absolute URL. */
  link?: string | undefined;
}

/** The bound of the strictest of the forges (GitHub), in characters. */
export const statusCharsMax = 140;

export const isSame = (a: Status, b: Status | undefined): boolean =>
  b !== undefined && a.state === b.state && a.says === b.says && a.link === b.link;

/** Status of a run by its account alone: never green, which takes evidence. */
const shades: Record<RunState, Status['state']> = {
  waiting: 'pending',
  building: 'pending',
  sealed: 'pending',
  provisional: 'pending',
  agreed: 'pending',
  trusted: 'pending',
  differs: 'failure',
  failed: 'failure',
  aborted: 'failure',
  disputed: 'failure',
  unfinished: 'failure',
  revoked: 'failure',
  cancelled: 'error',
  lost: 'error',
};

/** Why a run that is said to be trusted is not shown as that, by the code of what was tried. */
const unproven: Readonly<Record<string, string>> = {
  BUNDLE_NOT_FOUND: 'the controller shows no evidence',
  CHECKPOINT_STALE: 'the log has no recent line of a trusted worker, or of enough operators',
  REVOCATION_WITHHELD: 'the log holds a revocation that is not shown',
  RUN_NOT_TRUSTED: 'its evidence comes to less',
  RUN_MISMATCH: 'the evidence that is shown is of another run',
};

/** Label in front, because long text is cut at the end. */
const word = (says: string): string => `the controller says: ${says}`;

const said = (stand: Omit<RunStand, 'run'>): Pick<Account, 'state' | 'reason'> =>
  stand.account ?? accountOf(stand);

export const isSaidTrusted = (stand: Omit<RunStand, 'run'> | undefined): boolean =>
  stand !== undefined && said(stand).state === 'trusted';

export const isProven = ({ stand, proof }: Known): boolean =>
  isSaidTrusted(stand) && proof?.kind === 'trusted';

/** A job's status. Green is what was verified here; what the controller alone says is labelled. */
export function statusOfRun({ stand, proof }: Known): Status {
  if (proof?.kind === 'revoked') return { state: 'failure', says: `revoked: ${proof.says}` };
  if (stand === undefined) return { state: 'pending', says: 'published' };
  const account = said(stand);
  if (account.state !== 'trusted') return { state: shades[account.state], says: word(accountLine(account)) };
  if (proof?.kind !== 'trusted') return { state: 'pending', says: word(`trusted; ${whyUnproven(proof)}`) };
  const cosigned = proof.cosigned ? undefined : false;
  return { state: 'success', says: accountLine(accountOf({ state: 'done', level: 'trusted', cosigned })) };
}

const whyUnproven = (proof: Exclude<Proof, { kind: 'trusted' }> | undefined): string =>
  proof?.kind === 'missing'
    ? `not verified: ${unproven[proof.code] ?? proof.code}`
    : 'its evidence is being verified';

/** Status of all jobs together: green when the evidence of each was verified here. */
export function statusOfAll(all: readonly Known[]): Status {
  const each = all.map(statusOfRun);
  const count = (state: Status['state']) => each.filter((one) => one.state === state).length;
  const of = `of ${all.length}`;
  if (count('failure') > 0) {
    const says = statesIn(all, 'failure');
    return { state: 'failure', says: all.some(({ proof }) => proof?.kind === 'revoked') ? says : word(says) };
  }
  if (count('error') > 0) return { state: 'error', says: word(statesIn(all, 'error')) };
  const trusted = count('success');
  if (trusted > 0 && trusted === all.length) return { state: 'success', says: 'trusted' };
  const lacking = each.find(({ state }) => state !== 'success');
  if (lacking !== undefined && all.every(({ stand }) => isSaidTrusted(stand))) return lacking;
  const agreed = all.filter(({ stand }) => stand?.level === 'agreed').length;
  if (trusted + agreed === all.length)
    return { state: 'pending', says: word('agreed, waiting for the trusted worker') };
  return { state: 'pending', says: word(`${trusted} ${of} trusted, ${agreed} agreed`) };
}

/** How many jobs are in each state that is shown so: `1 of 3 disputed, 1 of 3 failed`. */
function statesIn(all: readonly Known[], shown: Status['state']): string {
  const counts = new Map<string, number>();
  for (const known of all) {
    const { stand, proof } = known;
    if (stand === undefined || statusOfRun(known).state !== shown) continue;
    const state = proof?.kind === 'revoked' ? 'revoked' : said(stand).state;
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return [...counts].map(([state, n]) => `${n} of ${all.length} ${state}`).join(', ');
}

/** As `stateOfAll`, where a run counts as trusted only if its evidence was verified here. */
export const provenState = (all: readonly Known[]): WholeState =>
  stateOfAll(
    all.map((known) => {
      const { stand, proof } = known;
      if (proof?.kind === 'revoked') return { state: 'done', level: null, ...stand, revoked: true };
      return isSaidTrusted(stand) && !isProven(known) ? undefined : stand;
    }),
  );
