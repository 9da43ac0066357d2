import { breaking } from './broken-controller.ts';
import type { Scenario } from './scenario.ts';
import type { Patches } from './world.ts';

/** Mistakes of a controller whose bytes are kept by artifact stores. */
export const storeBugs = {
  'store-counted-twice': {
    says: 'the answer of one store is counted for two',
    caughtBy: 'stores',
    scenario: { stores: { behaviours: ['keeps', 'late', 'late'], copies: 2 } } satisfies Partial<Scenario>,
    patches: breaking((controller, handle) => (event, now) => {
      const effects = handle(event, now);
      const { stores } = controller.state;
      if (event.kind !== 'pinned' || !event.ok || stores === null) return effects;
      const another = stores.ids.find((store) => store !== event.store) ?? '';
      return [...effects, ...handle({ ...event, store: another }, now)];
    }),
  },
  'store-believed': {
    says: 'a store that says it keeps an artifact is believed',
    caughtBy: 'stores',
    scenario: { stores: { behaviours: ['lies', 'late'], copies: 1 } } satisfies Partial<Scenario>,
    patches: (): Patches => ({ storesBelieved: true }),
  },
};
