import type { SourceBug } from './planted-source.ts';
import type { Rates } from './rates.ts';
import type { Scenario } from './scenario.ts';
import type { Patches } from './world.ts';

/** Mistakes one could make, planted around the real machines or in the sessions: what a checker never catches it does not check. */
export interface Bug {
  says: string;
  /** The invariant that must be found violated. */
  caughtBy: string;
  patches?: () => Patches;
  /** The mistake is in the text of a session. */
  source?: SourceBug;
  /** Fault rates under which it shows soon, where it needs some that are rare. */
  rates?: Partial<Rates>;
  /** Jobs and workers with which it shows soon, where few seeds have such. */
  scenario?: Partial<Scenario>;
}
