import type { ControllerState } from '../../core/controller/state.ts';
import type { Mesh } from '../../mesh/index.ts';
import { type HealthChecks, meshCheck } from '../node/health.ts';

/** `broken`: why the journal or the machine failed; the process ends then. */
export function controllerHealth(
  state: ControllerState,
  mesh: Pick<Mesh, 'addresses'>,
  broken: () => string | undefined,
): HealthChecks {
  return {
    live: [{ name: 'journal', trouble: broken }],
    ready: [
      meshCheck(mesh),
      {
        name: 'drain',
        trouble: () => (state.draining ? 'it is being drained, and begins no round' : undefined),
      },
      { name: 'charter', trouble: () => (state.charter === null ? 'no charter is in force' : undefined) },
    ],
  };
}
