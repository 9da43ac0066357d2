import { nativeProgram } from '../native/index.ts';
import type { TierBackend } from '../run/tier.ts';
import { type Guards, guards as productGuards } from './guards.ts';
import { launch } from './launch.ts';

/** The tier `namespace`: bubblewrap, a seccomp filter and cgroups. Builds share the host's kernel. `native`: finds the native program. */
export function namespaceTier(
  guards: Guards = productGuards,
  native: () => string | undefined = nativeProgram,
): TierBackend {
  return {
    tier: 'namespace',
    hostImage: true,
    disk: 'loop',
    guards,
    waits: () => native() !== undefined,
    launch: (job, launching) => launch(guards, native(), job, launching),
  };
}
