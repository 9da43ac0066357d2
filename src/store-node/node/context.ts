import type { Mesh } from '../../mesh/index.ts';
import type { Bundles } from '../../node/artifacts/bundles.ts';
import type { Tell } from '../../node/node-events.ts';
import type { Revoked } from '../../protocol/trust/index.ts';
import type { Store } from '../../store/index.ts';
import type { Retention } from '../machine/plan.ts';
import type { ProjectWatch } from '../sessions/project-watch.ts';
import type { Ledger } from './ledger.ts';

/** Shared by the parts of a store's process. */
export interface StoreContext {
  project: string;
  mesh: Mesh;
  store: Store;
  bundles: Bundles;
  ledger: Ledger;
  retention: Retention;
  watch: Pick<ProjectWatch, 'controllers' | 'learnCharter' | 'isController'>;
  revoked: () => readonly Revoked[];
  tell: Tell;
  signal: AbortSignal;
}
