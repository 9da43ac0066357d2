import { findCgroupParents, readHierarchies } from '../../../sandbox/cgroups/parents.ts';
import type { Sandbox } from '../../../sandbox/index.ts';
import { type Guards, guards } from '../../../sandbox/namespace/guards.ts';
import { namespaceTier } from '../../../sandbox/namespace/tier.ts';
import { TierSandbox } from '../../../sandbox/run/tier.ts';

/** The tier as it is, or with some guards weakened: the control run of an attack. */
export function sandboxWith(stateDir: string, weakened: Partial<Guards> = {}): Sandbox {
  const { parents } = findCgroupParents(readHierarchies());
  return new TierSandbox(namespaceTier({ ...guards, ...weakened }), { parents, recordsDir: stateDir });
}
