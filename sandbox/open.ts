import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { QuorateError } from '../src/core/errors.ts';
import { sweepLeftovers } from './cgroups/leftovers.ts';
import { probeTier } from './probe/tier.ts';
import { tierProbes } from './tiers.ts';
import {
  type Probe,
  type ProbeWatch,
  type Sandbox,
  type SandboxAbilities,
  type SandboxCaps,
  type Sandboxes,
  type SandboxPriority,
  type SandboxUsage,
  type Steering,
  type Tier,
  tierByNameOnly,
  tiers,
} from './types.ts';

const offered = tiers.filter((tier) => tierProbes[tier] !== undefined);
const byDefault = offered.filter((tier) => tier !== tierByNameOnly);

/**
 * Finds out which tiers work here by running jobs in them, one after the other, the strongest first: every guard is
 * looked at from inside. Throws only the signal's reason; takes half a second to a few, and at most `sandboxProbeSecondsMax`
 * each.
 */
export async function probe({
  stateDir,
  of = byDefault,
  ...watch
}: ProbeWatch & {
  stateDir: string;
  of?: readonly Tier[];
}): Promise<Probe[]> {
  const found: Probe[] = [];
  for (const tier of tiers.filter((one) => of.includes(one)))
    found.push((await look(stateDir, tier, watch)).probe);
  return found;
}

/**
 * Opens one tier for jobs of one's own, after sweeping what a crashed process with the same state folder left behind.
 * Throws SANDBOX_UNAVAILABLE, with the probe's findings and fixes, where any guard is missing or does not hold. That a part
 * of it is out of date is no reason.
 */
export async function openSandbox(
  stateDir: string,
  tier: Tier = 'namespace',
  watch: ProbeWatch = {},
): Promise<Sandbox & Steering> {
  await sweepLeftovers(notesFolder(stateDir));
  const { probe: found, sandbox } = await look(stateDir, tier, watch);
  if (sandbox !== undefined && found.checks.every(({ ok, outdated }) => ok || outdated === true))
    return sandbox;
  throw unavailable([found]);
}

/**
 * Opens the tiers a worker offers: those that its operator names, each of which must work, or the strongest that works
 * here, and no other. One with a part that has known holes is not offered. Throws SANDBOX_UNAVAILABLE.
 */
export async function openSandboxes(
  stateDir: string,
  { tiers: named, ...watch }: ProbeWatch & { tiers?: readonly Tier[] } = {},
): Promise<Sandboxes> {
  await sweepLeftovers(notesFolder(stateDir));
  const opened: (Sandbox & Steering)[] = [];
  const failed: Probe[] = [];
  for (const tier of named === undefined ? byDefault : offered.filter((one) => named.includes(one))) {
    const { probe: found, sandbox } = await look(stateDir, tier, watch);
    if (sandbox === undefined || !found.ok) failed.push(found);
    else opened.push(sandbox);
    if (named === undefined && opened.length > 0) return combineSandboxes(opened);
  }
  if (opened.length === 0 || failed.length > 0) throw unavailable(failed);
  return combineSandboxes(opened);
}

/** Sandboxes as one, the strongest first. */
export function combineSandboxes(sandboxes: readonly (Sandbox & Partial<Steering>)[]): Sandboxes {
  return {
    tiers: sandboxes.map(({ tier }) => tier),
    for: (image) => sandboxes.find(({ hostImage }) => image !== 'host' || hostImage),
    freeze: () => {
      for (const sandbox of sandboxes) sandbox.freeze?.();
    },
    thaw: () => {
      for (const sandbox of sandboxes) sandbox.thaw?.();
    },
    cap: (caps: SandboxCaps): string[] => sandboxes.flatMap((sandbox) => sandbox.cap?.(caps) ?? []),
    prioritise: (priority: SandboxPriority): string[] =>
      sandboxes.flatMap((sandbox) => sandbox.prioritise?.(priority) ?? []),
    get abilities(): SandboxAbilities {
      const all = (ability: keyof SandboxAbilities) =>
        sandboxes.every(({ abilities }) => abilities?.[ability] === true);
      const [freeze, processorTime] = [all('freeze'), all('processorTime')];
      return { freeze, processorTime, idle: all('idle'), ioWeight: all('ioWeight') };
    },
    usage: (): SandboxUsage[] => sandboxes.flatMap((sandbox) => sandbox.usage?.() ?? []),
    processorSeconds: () => sandboxes.reduce((sum, sandbox) => sum + (sandbox.processorSeconds?.() ?? 0), 0),
  };
}

function look(stateDir: string, tier: Tier, watch: ProbeWatch): ReturnType<typeof probeTier> {
  const probeOf = tierProbes[tier];
  if (probeOf === undefined) {
    throw new QuorateError('SANDBOX_UNAVAILABLE', `there is no tier ${tier}`, {
      hint: `There is: ${offered.join(', ')}.`,
    });
  }
  // It may be a home with keys, and this the first that is put into it.
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  return probeTier(probeOf(stateDir), notesFolder(stateDir), watch);
}

function unavailable(probes: readonly Probe[]): QuorateError {
  const lacks = probes.map(({ tier, checks }) => {
    const failed = checks.filter(({ ok }) => !ok);
    return `the ${tier} sandbox does not work here: ${failed.map(({ name, found }) => `${name}: ${found}`).join('; ')}`;
  });
  const fixes = new Set(
    probes.flatMap(({ checks }) => checks.flatMap(({ ok, fix }) => (ok ? [] : (fix ?? [])))),
  );
  return new QuorateError(
    'SANDBOX_UNAVAILABLE',
    lacks.join('. '),
    fixes.size === 0 ? {} : { hint: [...fixes].join('; ') },
  );
}

function notesFolder(stateDir: string): string {
  return join(stateDir, 'sandbox');
}
