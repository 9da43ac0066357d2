import { join } from 'node:path';
import { namespaceTier } from '../../../sandbox/namespace/tier.ts';
import { tierProbes } from '../../../sandbox/open.ts';
import { probeTier } from '../../../sandbox/probe/tier.ts';
import { sandboxContract } from '../contract.ts';

/** Where there is no native program: a shell and tools in its place. */
sandboxContract(async (stateDir) => {
  const usual = tierProbes.namespace?.(stateDir);
  if (usual === undefined) throw new Error('no tier namespace');
  const backend = namespaceTier(undefined, () => undefined);
  const { probe, sandbox } = await probeTier({ ...usual, backend }, join(stateDir, 'sandbox'));
  if (sandbox === undefined || probe.checks.some(({ ok, outdated }) => !ok && outdated !== true))
    throw new Error(JSON.stringify(probe.checks));
  return sandbox;
});
