import { breaking } from './broken-controller.ts';
import { calm } from './rates.ts';

export const drainBugs = {
  'drain-ignored': {
    says: 'a controller that is drained begins rounds as before',
    caughtBy: 'drains',
    rates: { ...calm, drainPerMinute: 1 },
    patches: breaking(({ state }, handle) => (event, now) => {
      const before = state.draining;
      state.draining = false;
      const effects = handle(event, now);
      state.draining ||= before && event.kind !== 'started';
      return effects;
    }),
  },
};
