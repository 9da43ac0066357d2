import type { LimitSettings } from '../cgroups/settings.ts';
import type { SandboxLimits } from '../types.ts';

/** The limits that are held from outside of a build. The attack tests weaken one at a time; no option reaches them. */
export interface BuildGuards {
  /** What is written into the groups. A tier adds what it needs besides the job. */
  readonly cgroup: LimitSettings;
  /** Milliseconds of wall time. */
  readonly deadlineMs: (limits: SandboxLimits) => number;
  /** Bytes of the outputs' archive. */
  readonly outputBytesMax: (limits: SandboxLimits) => number;
}
