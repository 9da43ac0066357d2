import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { QuorateError } from '../src/protocol/base/errors.ts';
import { sweepLeftovers } from './cgroups/leftovers.ts';
import { listOptional } from './files.ts';
import { gvisorTier } from './gvisor/tier.ts';
import { namespaceTier } from './namespace/tier.ts';
import { toolChecks } from './probe/host-checks.ts';
import { probeTier, type TierProbe } from './probe/tier.ts';
import {
  type Probe,
  type ProbeCheck,
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
import { versionChecks } from './versions/checks.ts';
import { vmProbe } from './vm/probe.ts';

/** The probe of each tier. `stateDir` is the worker's state folder, in which a tier may cache files. */
export const tierProbes: Readonly<Record<Tier, (stateDir: string) => TierProbe>> = {
  vm: (stateDir) => vmProbe('kvm', stateDir),
  'vm-emulated': (stateDir) => vmProbe('tcg', stateDir),
  gvisor: () => ({
    backend: gvisorTier(),
    lookAround: async () => [
      ...toolChecks([{ name: 'runsc', package: 'runsc' }]),
      ...(await versionChecks(['kernel', 'bubblewrap', 'runsc'])),
    ],
    probeImage: async () => 'host',
  }),
  namespace: () => ({
    backend: namespaceTier(),
    lookAround: async () => [...toolChecks(), ...(await versionChecks(['kernel', 'bubblewrap']))],
    probeImage: async () => 'host',
  }),
};

const byDefault = tiers.filter((tier) => tier !== tierByNameOnly);

/** Probes tiers, the strongest first, by jobs that check each guard from inside. Throws only the signal's reason. */
export async function probe({
  stateDir,
  of = byDefault,
  ...watch
}: ProbeWatch & { stateDir: string; of?: readonly Tier[] | undefined }): Promise<Probe[]> {
  const found: Probe[] = [];
  for (const tier of tiers.filter((one) => of.includes(one)))
    found.push((await look(stateDir, tier, watch)).probe);
  return found;
}

/** Removes what crashed processes with this state folder left behind. @throws SANDBOX_CLEANUP_FAILED */
export async function removeLeftovers(stateDir: string): Promise<void> {
  await sweepLeftovers(recordsFolder(stateDir));
}

/** Whether a process runs jobs with this state folder; those of crashed processes are removed. @throws SANDBOX_CLEANUP_FAILED */
export async function hasJobs(stateDir: string): Promise<boolean> {
  await removeLeftovers(stateDir);
  return listOptional(recordsFolder(stateDir)).length > 0;
}

/** Tiers, with their state folder, whose guards this process has seen to hold from inside → tools and versions that it found then, and the kernel. */
const held = new Map<string, { host: string; kernel: string }>();

/**
 * Opens one tier for jobs of the local user, after removing what a crashed process with the same state folder left behind.
 * A component with known vulnerabilities does not prevent it. A process checks the guards of a tier from inside once, and again when other tools or versions are found.
 * @throws SANDBOX_UNAVAILABLE with the probe's findings and fixes, if a guard is missing or ineffective
 */
export async function openSandbox(
  stateDir: string,
  tier: Tier = 'namespace',
  watch: ProbeWatch = {},
): Promise<Sandbox & Steering> {
  await removeLeftovers(stateDir);
  const { probe: found, sandbox } = await lookOnce(stateDir, tier, watch);
  if (sandbox !== undefined && isHeld(found)) return sandbox;
  throw unavailable([found]);
}

/** Whether each guard of a tier holds; a component may have known vulnerabilities. */
const isHeld = ({ checks }: Probe): boolean => checks.every(({ ok, outdated }) => ok || outdated === true);

/** Checks the guards from inside only where this process has not seen them to hold. */
async function lookOnce(stateDir: string, tier: Tier, watch: ProbeWatch): ReturnType<typeof look> {
  const place = JSON.stringify([tier, stateDir]);
  let host = '';
  const holds = (checks: readonly ProbeCheck[]): boolean => {
    host = JSON.stringify(checks.map(({ name, found: says }) => [name, says]));
    return held.get(place)?.host === host;
  };
  const found = await look(stateDir, tier, { ...watch, held: holds });
  const { sandbox } = found;
  if (sandbox === undefined || !isHeld(found.probe)) return found;
  const before = held.get(place);
  // No job of this probe has seen it.
  if (before?.host === host) sandbox.kernel = before.kernel;
  else held.set(place, { host, kernel: sandbox.unpinned.kernel ?? '' });
  return found;
}

/**
 * Opens the tiers that a worker offers: those that its operator names, each of which must work, or else the strongest one
 * that works. A tier with a component that has known vulnerabilities is not offered. @throws SANDBOX_UNAVAILABLE
 */
export async function openSandboxes(
  stateDir: string,
  { tiers: named, ...watch }: ProbeWatch & { tiers?: readonly Tier[] | undefined } = {},
): Promise<Sandboxes> {
  await removeLeftovers(stateDir);
  const opened: (Sandbox & Steering)[] = [];
  const failed: Probe[] = [];
  for (const tier of named === undefined ? byDefault : tiers.filter((one) => named.includes(one))) {
    const { probe: found, sandbox } = await lookOnce(stateDir, tier, watch);
    if (sandbox === undefined || !found.ok) failed.push(found);
    else opened.push(sandbox);
    if (named === undefined && opened.length > 0) return combineSandboxes(opened);
  }
  if (opened.length === 0 || failed.length > 0) throw unavailable(failed);
  return combineSandboxes(opened);
}

/** Combines sandboxes, given in order of strength, into one object. */
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
      return { freeze, processorTime, idle: all('idle'), ioWeight: all('ioWeight'), disk: all('disk') };
    },
    usage: (): SandboxUsage[] => sandboxes.flatMap((sandbox) => sandbox.usage?.() ?? []),
    processorSeconds: () => sandboxes.reduce((sum, sandbox) => sum + (sandbox.processorSeconds?.() ?? 0), 0),
  };
}

function look(stateDir: string, tier: Tier, watch: Parameters<typeof probeTier>[2]) {
  if (!tiers.includes(tier))
    throw new QuorateError('SANDBOX_UNAVAILABLE', `there is no tier ${tier}`, {
      hint: `Tiers: ${tiers.join(', ')}.`,
    });
  // The folder may be a home that will hold keys, so it is created private.
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  return probeTier(tierProbes[tier](stateDir), recordsFolder(stateDir), watch);
}

function unavailable(all: readonly Probe[]): QuorateError {
  const failing = ({ checks }: Probe): number => checks.filter(({ ok }) => !ok).length;
  // The tier that lacks least comes first.
  const probes = all.toSorted((a, b) => failing(a) - failing(b));
  // Most of what one tier lacks the others lack too.
  const lacking = new Map<string, Tier[]>();
  for (const { tier, checks } of probes)
    for (const { ok, name, found } of checks)
      if (!ok) lacking.set(`${name}: ${found}`, [...(lacking.get(`${name}: ${found}`) ?? []), tier]);
  const lacks = [...lacking].map(([says, by]) =>
    by.length === probes.length ? says : `${says} (${by.join(', ')})`,
  );
  const failed = all.map(({ tier }) => tier).join(', ');
  const says = probes.length === 1 ? 'sandbox does not work' : 'sandboxes do not work';
  const fixes = new Set(
    probes.flatMap(({ checks }) => checks.flatMap(({ ok, fix }) => (ok ? [] : (fix ?? [])))),
  );
  const hint = fixes.size === 0 ? undefined : [...fixes].join('; ');
  return new QuorateError('SANDBOX_UNAVAILABLE', `the ${failed} ${says} here: ${lacks.join('; ')}`, { hint });
}

const recordsFolder = (stateDir: string): string => join(stateDir, 'sandbox');
