import type { TierBackend } from '../build/tier.ts';
import { type GvisorGuards, guards as productGuards } from './guards.ts';
import { launch } from './launch.ts';

/** The tier `gvisor`: a kernel in user space that handles a build's system calls. It does not run as root. */
export function gvisorTier(guards: GvisorGuards = productGuards): TierBackend {
  return {
    tier: 'gvisor',
    hostImage: true,
    disk: 'loop',
    guards,
    launch: (job, launching) => launch(guards, job, launching),
  };
}
