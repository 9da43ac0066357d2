import { findCgroupParents, readHierarchies } from '../cgroups/parents.ts';
import { sandboxLimits } from '../limits.ts';
import { type TierBackend, type TierContext, TierSandbox } from '../run/tier.ts';
import type { Probe, ProbeCheck, ProbeWatch, SandboxImage } from '../types.ts';
import { controllerChecks, platformCheck, swapCheck } from './host-checks.ts';
import { checkFromInside } from './inside-checks.ts';

export interface TierProbe {
  readonly backend: TierBackend;
  /** Checks the requirements of the tier without running jobs. If one fails, no job is run. */
  lookAround(): Promise<ProbeCheck[]>;
  probeImage(signal: AbortSignal): Promise<'host' | SandboxImage>;
  /** Time limit of all jobs of the probe. Default: `sandboxLimits.probeSecondsMax`. */
  readonly secondsMax?: number;
}

/** Checks the requirements of a tier, then each guard from inside, unless `held` says that it was done. Throws the signal's reason. */
export async function probeTier(
  { backend, lookAround, probeImage, secondsMax = sandboxLimits.probeSecondsMax }: TierProbe,
  recordsDir: string,
  { onStep, signal, held }: ProbeWatch & { held?: (checks: readonly ProbeCheck[]) => boolean } = {},
): Promise<{ probe: Probe; sandbox: TierSandbox | undefined }> {
  const { tier } = backend;
  const result = (checks: ProbeCheck[], sandbox?: TierSandbox) => ({
    probe: { tier, ok: sandbox !== undefined && checks.every(({ ok }) => ok), checks },
    sandbox,
  });
  const platform = platformCheck();
  if (!platform.ok) return result([platform]);
  signal?.throwIfAborted();
  const step = (looksAt: string) => onStep?.(tier, looksAt);
  step('tools and versions');
  const cgroups = findCgroupParents(readHierarchies());
  const checks = [platform, ...(await lookAround()), ...controllerChecks(cgroups)];
  signal?.throwIfAborted();
  if (cgroups.missing.length === 0) checks.push(swapCheck(cgroups));
  if (checks.some(({ ok, outdated }) => !ok && outdated !== true)) return result(checks);
  const context: TierContext = { parents: cgroups.parents, recordsDir };
  const sandbox = new TierSandbox(backend, context);
  if (held?.(checks) === true) return result(checks, sandbox);
  const name = 'a job runs';
  const limit = AbortSignal.timeout(secondsMax * 1000);
  const end = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  let inside: ProbeCheck[];
  const disk = sandbox.diskAbility();
  try {
    step('image for its jobs');
    const tried = { sandbox, alone: new TierSandbox(backend, context) };
    inside = await checkFromInside(tried, await probeImage(end), end, step);
    // No tier fails for it.
    inside.push({ name: 'disk beyond memory', ok: true, found: (await disk).found });
  } catch (error) {
    inside = [{ name, ok: false, found: (error as Error).message }];
  }
  await disk;
  signal?.throwIfAborted();
  if (!limit.aborted) return result([...checks, ...inside], sandbox);
  const found = `the jobs of the probe took over ${secondsMax} s`;
  return result([...checks, { name, ok: false, found, fix: 'try again when this host is less busy' }]);
}
