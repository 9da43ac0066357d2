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
  /** A command line that does it. */
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
