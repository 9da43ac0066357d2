import { breaking } from './broken-controller.ts';
import { withMembers } from './broken-workers.ts';
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

export const witnessBugs = {
  'witness-forgets': {
    says: 'a worker keeps what it saw of the log in memory only, where the controller tells two stories',
    caughtBy: 'witnesses',
    rates: { workerCrashPerEvent: 0.05, crashPerMinute: 0.5 },
    patches: (): Patches => ({
      forks: 1,
      workerPorts: (ports) => ({
        ...ports,
        witnessFile: { load: async () => undefined, save: async () => {} },
        revocations: withMembers(ports.revocations, { equivocationOf: () => undefined }),
      }),
    }),
  },
  'forgotten-story-signed': {
    says: 'the trusted worker forgets what it saw of the log, and witnesses another story of it',
    caughtBy: 'forks',
    rates: { workerCrashPerEvent: 0.05, crashPerMinute: 0.5 },
    scenario: { trusted: 'there', second: false } satisfies Partial<Scenario>,
    patches: (): Patches => ({
      forks: 1,
      workerPorts: (ports) => ({
        ...ports,
        witnessFile: { load: async () => undefined, save: async () => {} },
        leafFile: { load: async () => [], append: async () => {} },
      }),
    }),
  },
};
