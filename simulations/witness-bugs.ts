import { withoutEvidence } from './broken-workers.ts';
import type { Scenario } from './scenario.ts';
import type { Patches } from './world.ts';

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
        revocations: withoutEvidence(ports.revocations),
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
