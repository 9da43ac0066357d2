import { limits } from '../../src/core/limits.ts';
import { type TierDriver, type TierParts, TierSandbox } from '../build/tier.ts';
import { findPlaces, readHierarchies } from '../cgroups/place.ts';
import type { Probe, ProbeCheck, SandboxImage } from '../types.ts';
import { controllerChecks, platformCheck, swapCheck } from './host.ts';
import { checkFromInside } from './inside.ts';

/** How a tier is found out about and opened. */
export interface TierProbe {
  readonly driver: TierDriver;
  /** Looks for what it needs, without running any of it for long; a failed check saves the rest. */
  lookAround(): Promise<ProbeCheck[]>;
  /** What the jobs of the probe run on. */
  probeImage(): Promise<'host' | SandboxImage>;
  /** Of all its jobs together, where it is slower than others. */
  readonly secondsMax?: number;
}

/** Runs jobs in a tier, where all that it needs is there, and looks from inside whether each guard holds. Never throws. */
export async function examine(
  { driver, lookAround, probeImage, secondsMax = limits.sandboxProbeSecondsMax }: TierProbe,
  notes: string,
): Promise<{ probe: Probe; sandbox: TierSandbox | undefined }> {
  const { tier } = driver;
  const result = (checks: ProbeCheck[], sandbox?: TierSandbox) => ({
    probe: { tier, ok: sandbox !== undefined && checks.every(({ ok }) => ok), checks },
    sandbox,
  });
  const platform = platformCheck();
  if (!platform.ok) return result([platform]);
  const placement = findPlaces(readHierarchies());
  const checks = [platform, ...(await lookAround()), ...controllerChecks(placement)];
  if (placement.missing.length === 0) checks.push(swapCheck(placement));
  if (checks.some(({ ok, outdated }) => !ok && outdated !== true)) return result(checks);
  const parts: TierParts = { places: placement.places, notes };
  const sandbox = new TierSandbox(driver, parts);
  try {
    const signal = AbortSignal.timeout(secondsMax * 1000);
    const inside = await checkFromInside(sandbox, await probeImage(), signal);
    return result([...checks, ...inside], sandbox);
  } catch (error) {
    return result([...checks, { name: 'a job runs', ok: false, found: (error as Error).message }]);
  }
}
