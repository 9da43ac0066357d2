import type { Sandbox, Steering } from '../../../sandbox/index.ts';
import type { Play, Ran } from '../support.ts';

/** The ground of every part of the contract: a tier that is open while its tests run. */
export interface Ground {
  play(run: string[], options?: Play): Promise<Ran>;
  readonly sandbox: Sandbox & Steering;
  /** The tier's own, on the host. */
  readonly folder: string;
}
