import type { ControllerState } from '../src/core/controller/state.ts';
import { Broken } from './broken-controller.ts';
import type { Work } from './scenario.ts';
import type { Patches } from './world.ts';

const common = {
  nature: 'reproducible',
  submitAfterMs: 1_000,
  cancelAfterMs: undefined,
  expiresSeconds: 7200,
} as const;
/** A test of what is only agreed on for a while. */
const pipelineOfTwo: Work[] = [
  { ...common, name: 'lib', policy: { agree: 2, of: 3, cosign: 'required', rounds: 2 } },
  {
    ...common,
    ...{ name: 'test', needs: { lib: 'agreed' } },
    policy: { agree: 2, of: 3, cosign: 'none', rounds: 2 },
  },
];

/** Of each run that is being built it is forgotten what it rests on. */
function forgetNeeds({ runs }: ControllerState): void {
  for (const run of runs.values()) {
    const { needs, ...payload } = run.request.payload;
    if (needs !== undefined && run.rounds.length > 0) run.request = { ...run.request, payload };
  }
}

export const needsForgotten = {
  says: 'once a job is being built it is forgotten what it rests on',
  caughtBy: 'pipelines',
  scenario: { trusted: 'late' as const, works: pipelineOfTwo },
  patches: (): Patches => ({
    controller: (id, idp) =>
      new Broken(id, idp, (controller, handle) => (event, now) => {
        const effects = handle(event, now);
        forgetNeeds(controller.state);
        return effects;
      }),
  }),
};
