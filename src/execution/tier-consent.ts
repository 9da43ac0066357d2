import type { ProbeWatch, Sandboxes } from '../../sandbox/index.ts';
import { type Tier, tiers } from '../../sandbox/types.ts';
import { QuorateError } from '../protocol/base/errors.ts';

/** Description of each tier: the boundary between a build and the host. */
export const tierSays: Record<Tier, string> = {
  vm: 'a virtual machine: builds have a kernel of their own',
  'vm-emulated': 'an emulated virtual machine: builds have a kernel of their own, and are slow',
  gvisor: 'gVisor: builds talk to a kernel in user space, not to yours',
  namespace:
    'namespaces and a system call filter: builds share your kernel, and a hole in it is a hole in the sandbox',
};

/** Smaller is stronger. */
const rank = (tier: Tier): number => tiers.indexOf(tier);

/** The tiers that the operator of this home folder agreed to last; none before the first time. */
async function agreedBefore(home: string): Promise<readonly Tier[]> {
  const { agreedTiers } = await import('../node/membership/agreed-tiers.ts');
  const agreed = await agreedTiers(home).catch((): readonly unknown[] => []);
  return tiers.filter((tier) => agreed.includes(tier));
}

/** Records the tiers that the operator agreed to, which are then offered without confirmation. */
export async function rememberTiers(home: string, agreed: readonly Tier[]): Promise<void> {
  const file = await import('../node/membership/agreed-tiers.ts');
  await file.rememberTiers(home, agreed);
}

/** The reason for which a tier needs the operator's consent. */
export type Consent = { tier: Tier; why: string } | undefined;

/** The tier that shares the kernel needs consent, and so does one that is weaker than those agreed to before. */
export async function consentFor(
  home: string,
  offered: readonly Tier[],
  named: readonly Tier[] | undefined,
): Promise<Consent> {
  if (named !== undefined) return undefined;
  const [tier = 'namespace'] = offered;
  const before = await agreedBefore(home);
  if (before.some((one) => rank(one) >= rank(tier))) return undefined;
  const [strongest] = before;
  if (strongest !== undefined)
    return { tier, why: `this machine lent itself with ${strongest} before, and only ${tier} works now` };
  return tier === 'namespace'
    ? { tier, why: 'the strongest sandbox that works here is namespace, where builds share your kernel' }
    : undefined;
}

export function consentNeeded({ tier, why }: NonNullable<Consent>): QuorateError {
  return new QuorateError('SANDBOX_CONSENT_NEEDED', why, {
    hint: `Say that it will do, with --tier ${tier} or in worker.toml; or see what a stronger one lacks: quorate doctor`,
  });
}

/** Opens the tiers that the operator names, or else the strongest working one. @throws `SANDBOX_UNAVAILABLE`. */
export async function openTiers(
  stateDir: string,
  named: readonly Tier[] | undefined,
  watch: ProbeWatch,
): Promise<Sandboxes> {
  const { openSandboxes } = await import('../../sandbox/index.ts');
  return openSandboxes(stateDir, { ...watch, tiers: named });
}
