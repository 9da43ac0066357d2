import type { TierBackend } from '../build/tier.ts';
import { type Guards, guards as productGuards } from './guards.ts';
import { launch } from './launch.ts';

/** The tier `namespace`: bubblewrap, a seccomp filter and cgroups. Builds share the host's kernel. */
export function namespaceTier(guards: Guards = productGuards): TierBackend {
  return {
    tier: 'namespace',
    hostImage: true,
    disk: 'loop',
    guards,
    launch: (job, launching) => launch(guards, job, launching),
  };
}
