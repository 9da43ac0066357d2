import type { TierBackend } from '../build/tier.ts';
import { type GvisorGuards, guards as productGuards } from './guards.ts';
import { launch } from './launch.ts';

/** gVisor: a kernel in user space, which answers a build's system calls itself. Not even it runs as root. */
export function gvisorTier(guards: GvisorGuards = productGuards): TierBackend {
  return {
    tier: 'gvisor',
    hostImage: true,
    guards,
    launch: (job, launching) => launch(guards, job, launching),
  };
}
