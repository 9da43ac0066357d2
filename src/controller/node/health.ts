import type { Mesh } from '../../mesh/index.ts';
import { type HealthChecks, meshCheck } from '../../node/health.ts';
import type { ControllerState } from '../machine/state.ts';
import { type StartWait, sayWait } from '../sessions/start-inquiry.ts';

/** `broken`: why the journal or the machine failed; the process ends then. `asking`: for whom its start waits. */
export function controllerHealth(
  state: ControllerState,
  mesh: Pick<Mesh, 'addresses'>,
  { broken, asking }: { broken: () => string | undefined; asking: () => StartWait | null },
): HealthChecks {
  return {
    live: [{ name: 'journal', trouble: broken }],
    ready: [
      meshCheck(mesh),
      {
        name: 'start',
        trouble: () => {
          const wait = asking();
          return wait === null ? undefined : `it has not started: it waits for ${sayWait(wait)}`;
        },
      },
      {
        name: 'drain',
        trouble: () => (state.draining ? 'it is being drained, and begins no round' : undefined),
      },
      { name: 'charter', trouble: () => (state.charter === null ? 'no charter is in force' : undefined) },
    ],
  };
}
