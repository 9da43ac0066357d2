/** How a run stands. */
export const runStates = [
  /** Nothing is built at the moment: the reason names whom it waits for. */
  'waiting',
  'building',
  /** Results are in, and no build runs; they are revealed when the round ends. */
  'sealed',
  /** It was built, and is less than agreed or rests on what is not trusted. */
  'provisional',
  'agreed',
  'trusted',
  'failed',
  /** Builds were aborted at a limit of the job or of the protocol. */
  'aborted',
  /** Somebody built something else. */
  'disputed',
  /** Too few could finish, and nobody built something else. */
  'unfinished',
  /** The controller does not know it (any more). */
  'lost',
  'cancelled',
  /** Its verdict does not stand any more. */
  'revoked',
] as const;
export type RunState = (typeof runStates)[number];

/** What somebody can do. */
export interface NextStep {
  says: string;
  /** A command line that does it. */
  command?: string;
}

/** What is to be said of a run. */
export interface Account {
  state: RunState;
  /** Why it is in that state, without a full stop. Texts of others in it are as they came: escape it. */
  reason: string;
  /** The most useful first. */
  next: NextStep[];
  /** Nothing more comes of it by itself. */
  over: boolean;
  /** Somebody has to look at it: results are in dispute, or a trusted worker contradicted them or refused to sign. Nobody has yet. */
  alarm: boolean;
}
