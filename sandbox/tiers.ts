import { gvisorTier } from './gvisor/tier.ts';
import { namespaceTier } from './namespace/tier.ts';
import { bwrapVersionCheck, toolChecks } from './probe/host.ts';
import type { TierProbe } from './probe/tier.ts';
import type { Tier } from './types.ts';

/** What there is of each tier. `stateDir` is the worker's: a tier may keep there what it made once. */
export const tierProbes: Partial<Record<Tier, (stateDir: string) => TierProbe>> = {
  gvisor: () => ({
    driver: gvisorTier(),
    lookAround: async () => [...toolChecks([{ name: 'runsc', package: 'runsc' }]), await bwrapVersionCheck()],
    probeImage: async () => 'host',
  }),
  namespace: () => ({
    driver: namespaceTier(),
    lookAround: async () => [...toolChecks(), await bwrapVersionCheck()],
    probeImage: async () => 'host',
  }),
};
