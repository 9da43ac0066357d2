import type { Policy } from '../src/protocol/documents/index.ts';
import { breaking } from './broken-controller.ts';
import { busy } from './busy.ts';
import { calm } from './rates.ts';
import type { Behaviour, Nature, Scenario } from './scenario.ts';

const works = (nature: Nature): Partial<Scenario> => ({
  ...busy,
  works: (busy.works ?? []).map((work) => ({ ...work, nature })),
});
const liars: Behaviour[] = ['aborts', 'aborts', 'honest', 'honest'];

/** Mistakes with limits at which builds are aborted. */
export const limitBugs = {
  'limits-passed-over': {
    says: 'what workers report of a limit is not kept: a build that exceeds it is leased until all rounds are used',
    caughtBy: 'limits',
    rates: calm,
    scenario: works('too many files'),
    patches: breaking((_, handle) => (event, now) => {
      if (event.kind !== 'receipt') return handle(event, now);
      const { limit: _limit, ...rest } = event;
      return handle(rest, now);
    }),
  },
  'one-operator-ends-it': {
    says: 'a run ends at the limit that one operator reports, whatever the trusted worker comes to',
    caughtBy: 'limits',
    rates: calm,
    scenario: {
      ...works('reproducible'),
      operators: busy.operators.map((operator, n) => ({ ...operator, behaviour: liars[n] ?? 'honest' })),
    },
    patches: breaking(({ state }, handle) => (event, now) => {
      if (event.kind !== 'receipt' || event.limit === undefined) return handle(event, now);
      const run = state.runs.get(state.leases.get(event.lease) ?? '');
      if (run === undefined) return handle(event, now);
      const { request } = run;
      const policy: Policy = { ...request.payload.policy, cosign: 'none', agree: 1, of: 1 };
      run.request = { ...request, payload: { ...request.payload, policy } };
      const effects = handle(event, now);
      run.request = request;
      return effects;
    }),
  },
};
