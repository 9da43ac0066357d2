import { gvisorTier } from './gvisor/tier.ts';
import { namespaceTier } from './namespace/tier.ts';
import { toolChecks } from './probe/host-checks.ts';
import type { TierProbe } from './probe/tier.ts';
import type { Tier } from './types.ts';
import { versionChecks } from './versions/checks.ts';
import { vmProbe } from './vm/probe.ts';

/** The probe of each tier. `stateDir` is the worker's state folder, in which a tier may cache files. */
export const tierProbes: Partial<Record<Tier, (stateDir: string) => TierProbe>> = {
  vm: (stateDir) => vmProbe('kvm', stateDir),
  'vm-emulated': (stateDir) => vmProbe('tcg', stateDir),
  gvisor: () => ({
    backend: gvisorTier(),
    lookAround: async () => [
      ...toolChecks([{ name: 'runsc', package: 'runsc' }]),
      ...(await versionChecks(['kernel', 'bubblewrap', 'runsc'])),
    ],
    probeImage: async () => 'host',
  }),
  namespace: () => ({
    backend: namespaceTier(),
    lookAround: async () => [...toolChecks(), ...(await versionChecks(['kernel', 'bubblewrap']))],
    probeImage: async () => 'host',
  }),
};
