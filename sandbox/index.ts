import { join } from 'node:path';
import { QuorateError } from '../src/core/errors.ts';
import { limits } from '../src/core/limits.ts';
import { sweepLeftovers } from './cgroups/leftovers.ts';
import { findPlaces, readHierarchies } from './cgroups/place.ts';
import { NamespaceSandbox } from './namespace/sandbox.ts';
import { bwrapVersionCheck, controllerChecks, platformCheck, toolChecks } from './probe/host.ts';
import { checkFromInside } from './probe/inside.ts';
import type { Probe, ProbeCheck, Sandbox, Steering } from './types.ts';

export { openToolSandbox, type ToolSandbox } from './tool/index.ts';
export type {
  Probe,
  ProbeCheck,
  Sandbox,
  SandboxCaps,
  SandboxIo,
  SandboxJob,
  SandboxLimits,
  SandboxOutcome,
  SandboxUsage,
  SandboxVariation,
  Steering,
} from './types.ts';

/** Debian packages of the host this tier needs; compilers and the like are the builds' own business. */
export const requiredPackages = ['bash', 'bubblewrap', 'coreutils', 'dash', 'tar', 'util-linux'] as const;

/**
 * Finds out whether the `namespace` tier works here by running jobs in it: every guard is looked at from inside.
 * Never throws; takes about half a second, and at most `sandboxProbeSecondsMax`.
 */
export async function probe({ stateDir }: { stateDir: string }): Promise<Probe> {
  return (await examine(stateDir)).probe;
}

/**
 * Opens the `namespace` tier, after sweeping what a crashed process with the same state folder left behind.
 * Throws SANDBOX_UNAVAILABLE, with the probe's findings and fixes, where any guard is missing or does not hold.
 */
export async function openSandbox(stateDir: string): Promise<Sandbox & Steering> {
  await sweepLeftovers(notesFolder(stateDir));
  const { probe: found, sandbox } = await examine(stateDir);
  if (sandbox !== undefined && found.ok) return sandbox;
  const failed = found.checks.filter(({ ok }) => !ok);
  const fixes = [...new Set(failed.flatMap(({ fix }) => fix ?? []))];
  throw new QuorateError(
    'SANDBOX_UNAVAILABLE',
    `the namespace sandbox does not work here: ${failed.map((check) => `${check.name}: ${check.found}`).join('; ')}`,
    fixes.length === 0 ? {} : { hint: fixes.join('; ') },
  );
}

async function examine(stateDir: string): Promise<{ probe: Probe; sandbox: NamespaceSandbox | undefined }> {
  const result = (checks: ProbeCheck[], sandbox?: NamespaceSandbox) => ({
    probe: { tier: 'namespace', ok: sandbox !== undefined && checks.every(({ ok }) => ok), checks },
    sandbox,
  });
  const platform = platformCheck();
  if (!platform.ok) return result([platform]);
  const placement = findPlaces(readHierarchies());
  const checks = [platform, ...toolChecks(), await bwrapVersionCheck(), ...controllerChecks(placement)];
  if (checks.some(({ ok }) => !ok)) return result(checks);
  const sandbox = new NamespaceSandbox({ places: placement.places, notes: notesFolder(stateDir) });
  try {
    const inside = await checkFromInside(sandbox, AbortSignal.timeout(limits.sandboxProbeSecondsMax * 1000));
    return result([...checks, ...inside], sandbox);
  } catch (error) {
    return result([...checks, { name: 'a job runs', ok: false, found: (error as Error).message }]);
  }
}

function notesFolder(stateDir: string): string {
  return join(stateDir, 'sandbox');
}
