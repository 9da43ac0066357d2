import type { RunSummary } from '../wire/runs.ts';

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
    Partial<Pick<RunSummary, 'tally' | 'differs' | 'repo' | 'ref' | 'commit' | 'recipe'>> {
  /** Why its verdict does not stand; `true`: not known here. */
  revoked?: RunSummary['revoked'] | true;
  missing?: Omit<NonNullable<RunSummary['missing']>, 'namedMissing'> | undefined;
}
