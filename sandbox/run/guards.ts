import type { LimitSettings } from '../cgroups/settings.ts';
import type { SandboxLimits } from '../types.ts';

/** Limits enforced from outside of a build. The attack tests weaken one at a time; no option can change them. */
export interface BuildGuards {
  /** Settings written into the cgroups. A tier adds its own consumption to the job's limits. */
  readonly cgroup: LimitSettings;
  /** Time limit of the steps, in milliseconds of wall time. */
  readonly deadlineMs: (limits: SandboxLimits) => number;
  /** Size of the file of the host that the build's folder lies in; undefined where it lies in memory (`diskFileBytes`). */
  readonly diskFileBytes: (limits: SandboxLimits) => number | undefined;
  /** Maximum size of the archive of outputs, in bytes. */
  readonly outputBytesMax: (limits: SandboxLimits) => number;
}
