import type { VerdictLevel } from '../documents/index.ts';

/** An operator that takes no slot at the moment. */
export interface DeclinedFacts {
  operator: string;
  reason: string;
}

/** Where a run stands that has not ended: its round, who builds, and who could. */
export interface OpenFacts {
  /** Results of the round that are in, and sealed until it ends. */
  sealed: number;
  /** Operators that build it, the trusted worker's not among them. */
  building: readonly string[];
  /** Operators that are connected. */
  connected: number;
  /** Those of them that may take a slot: they were enrolled before it was offered, and had none. */
  eligible: number;
  /** Those of these that said why they take none. */
  declined: readonly DeclinedFacts[];
  /** The controller gives no lease until its next start. */
  held?: true | undefined;
  /** The trusted worker's own build, where the policy asks for a co-signature. */
  trusted?: 'free' | 'building' | 'delivered' | 'expired' | undefined;
  /** A trusted worker is connected. */
  trustedConnected?: true | undefined;
}

/** What is known of a run, as a controller tells it. A summary of a run has these members, and others. */
export interface AccountFacts {
  run?: string | undefined;
  /** What the controller does with it: the phase of its machine, or `lost` where it does not know the run. */
  state: string;
  /** That is published. */
  level: VerdictLevel | null;
  /** Why the verdict states no result: an `Ending`, or another one of a newer controller. */
  reason?: string | undefined;
  /** The limit at which the builds were aborted, with its number. */
  limit?: string | undefined;
  /** Why it was cancelled. */
  cancelled?: string | undefined;
  /** Why its verdict does not stand. `true`: not known here. */
  revoked?: { what: string; id: string; since?: number | undefined; reason: string } | true | undefined;
  /** Results were in dispute, or the trusted worker contradicted what operators had agreed on. */
  alarming?: true | undefined;
  /** The alarm was looked at. */
  acknowledged?: true | undefined;
  test?: true | undefined;
  /** The level counts without a co-signature. */
  cosigned?: false | undefined;
  artifact?: string | null | undefined;
  policy?: { agree: number; of: number; cosign: boolean } | undefined;
  /** Results that are revealed. */
  built?: number | undefined;
  /** Names of what it reads that is not trusted, or not there yet. */
  awaits?: readonly string[] | undefined;
  /** The earlier run on whose evidence the verdict rests. */
  earlier?: string | undefined;
  open?: OpenFacts | undefined;
  /** Of a run that waits for witnesses of the log. */
  missing?:
    | { operators: readonly string[]; operatorsNeeded: number; named: readonly string[]; namedNeeded: number }
    | undefined;
}
