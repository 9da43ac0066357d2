import type { RunSummary } from '../wire/runs.ts';

/** How far a build has come, as it is told. */
export type BuildState = 'building' | 'sealed' | 'lost' | 'revealed';

const open: Record<BuildState, string> = {
  building: 'building',
  sealed: 'done, sealed',
  lost: 'lost',
  revealed: '',
};

/** Text for a build whose result is not shown; once the run is over, no build of it goes on. */
export function buildText(build: BuildState, { over, state }: Pick<Account, 'over' | 'state'>): string {
  if (!over || build === 'lost' || build === 'revealed') return open[build];
  if (state === 'cancelled') return build === 'building' ? 'cancelled' : 'done, cancelled';
  return build === 'building' ? 'not finished, ended with it' : 'done, not shown';
}

/** Each result once: by number of operators, then in the order told; one of the trusted worker alone last. */
export function firstOfMost(builds: readonly { result: string; slot: number | string }[]): string[] {
  const counts = new Map<string, number>();
  const ofOperators = builds.filter(({ slot }) => slot !== 'trusted');
  for (const { result } of ofOperators) counts.set(result, (counts.get(result) ?? 0) + 1);
  const sorted = [...counts].sort(([, a], [, b]) => b - a).map(([result]) => result);
  return [...new Set([...sorted, ...builds.map(({ result }) => result)])];
}

/** Where a run stands that has not ended. */
export type OpenFacts = NonNullable<RunSummary['open']>;

/** A trusted worker that came to no signature for a run. */
export type TrustedFailure = NonNullable<RunSummary['trustedFailures']>[number];

/** The members of a run's summary that its account is derived from. `state` is also `lost`, where the controller does not know the run. */
export interface AccountFacts
  extends Pick<RunSummary, 'state' | 'level'>,
    Partial<
      Pick<RunSummary, 'run' | 'reason' | 'limit' | 'cancelled' | 'alarming' | 'acknowledged' | 'test'>
    >,
    Partial<
      Pick<RunSummary, 'cosigned' | 'artifact' | 'policy' | 'awaits' | 'earlier' | 'open' | 'trustedFailures'>
    >,
    Partial<Pick<RunSummary, 'tally' | 'differs' | 'fellWith' | 'repo' | 'ref' | 'commit' | 'recipe'>> {
  /** Why its verdict does not stand; `true`: not known here. */
  revoked?: RunSummary['revoked'] | true;
  missing?: Omit<NonNullable<RunSummary['missing']>, 'namedMissing'> | undefined;
}

/** States of a run, as every command and page names them. */
export const runStates = [
  /** No build runs; the reason names whom the run waits for. */
  'waiting',
  'building',
  /** Results are in, no build runs, and the round is open: results are revealed when it ends. */
  'sealed',
  /** Agreed, with bytes still to be fetched or an input that is not trusted. */
  'provisional',
  'agreed',
  'trusted',
  /** It has a result, and another run of the same job came to another one. */
  'differs',
  'failed',
  /** Builds were aborted at a limit of the job or of the protocol. */
  'aborted',
  /** Results differ. */
  'disputed',
  /** Too few builds ended, and none differs. */
  'unfinished',
  /** The controller does not know the run (any more). */
  'lost',
  'cancelled',
  /** A revocation voids its verdict. */
  'revoked',
] as const;
export type RunState = (typeof runStates)[number];

/** Something that can be done about a run. */
export interface NextStep {
  says: string;
  command?: string;
}

/** State of a run, the reason, and the next steps. */
export interface Account {
  state: RunState;
  /** Why it is in that state, without a full stop. Texts of others in it are as they came: escape it. */
  reason: string;
  /** The most useful first. */
  next: NextStep[];
  /** The run has ended. */
  over: boolean;
  /** Results are in dispute, a job that was built again came to something else, or a trusted worker contradicted results or refused to sign; and no publisher has acknowledged that. */
  alarm: boolean;
}
