import type { RunSummary } from '../../protocol/wire/runs.ts';

/** A controller's list of runs: its word, and no evidence. */
export interface Listing {
  jobs: ListedRun[];
  equivocations: string[];
}
export type ListedRun = RunSummary;
