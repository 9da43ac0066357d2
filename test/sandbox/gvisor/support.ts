import { findCgroupParents, readHierarchies } from '../../../sandbox/cgroups/parents.ts';
import { type GvisorGuards, guards } from '../../../sandbox/gvisor/guards.ts';
import { gvisorTier } from '../../../sandbox/gvisor/tier.ts';
import type { Sandbox } from '../../../sandbox/index.ts';
import { TierSandbox } from '../../../sandbox/run/tier.ts';

/** The gVisor tier as it is, or with some guards weakened: the control run of an attack. */
export function gvisorWith(stateDir: string, weakened: Partial<GvisorGuards> = {}): Sandbox {
  const { parents } = findCgroupParents(readHierarchies());
  return new TierSandbox(gvisorTier({ ...guards, ...weakened }), { parents, recordsDir: stateDir });
}
