import { nativeProgram } from '../native/index.ts';
import type { TierBackend } from '../run/tier.ts';
import { type GvisorGuards, guards as productGuards } from './guards.ts';
import { launch } from './launch.ts';

/** The tier `gvisor`: a kernel in user space that handles a build's system calls. It does not run as root. `native`: finds the native program. */
export function gvisorTier(
  guards: GvisorGuards = productGuards,
  native: () => string | undefined = nativeProgram,
): TierBackend {
  return {
    tier: 'gvisor',
    hostImage: true,
    disk: 'loop',
    guards,
    waits: () => native() !== undefined,
    launch: (job, launching) => launch(guards, native(), job, launching),
  };
}
