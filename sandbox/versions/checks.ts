import { statSync } from 'node:fs';
import { version as kernelBuild } from 'node:os';
import { messageOf } from '../../src/protocol/base/errors.ts';
import { findTool } from '../host.ts';
import type { ProbeCheck } from '../types.ts';
import { meetsMinimum, minimums, minimumText, type Part } from './minimum.ts';
import { programs, type ReportedVersion, readVersion } from './read.ts';
import { type Installed, packagesInstalled } from './updates.ts';

/** Debian packages of each component. For the kernel: the metapackages that depend on the newest one. */
const packages: Readonly<Record<Part, readonly string[]>> = {
  kernel: ['amd64', 'arm64', 'cloud-amd64', 'cloud-arm64', 'generic', 'virtual'].map(
    (flavour) => `linux-image-${flavour}`,
  ),
  bubblewrap: ['bubblewrap'],
  runsc: ['runsc'],
  qemu: [process.arch === 'arm64' ? 'qemu-system-arm' : 'qemu-system-x86'],
};

/** Compares the components of a tier with their minimum versions and with apt's list of updates. Never throws. */
export async function versionChecks(parts: readonly Part[]): Promise<ProbeCheck[]> {
  const own = Promise.all(parts.map(ownCheck));
  const updates = packagesInstalled(parts.flatMap((part) => packages[part])).then(
    (known) => parts.flatMap((part) => updateCheck(part, known)),
    (error: unknown) => [unanswered('updates', error)],
  );
  return [...(await own).flat(), ...(await updates)];
}

async function ownCheck(part: Part): Promise<ProbeCheck[]> {
  try {
    const said = await readVersion(part);
    return said === undefined ? [] : [minimumCheck(part, said), ...setuidCheck(part)];
  } catch (error) {
    return [{ ...unanswered(`${part} version`, error), ok: false, ...bringsNewer(part) }];
  }
}

/** Compares a reported version with the minimum. */
export function minimumCheck(part: Part, { text, version }: ReportedVersion): ProbeCheck {
  const name = `${part} version`;
  if (version === undefined) {
    return { name, ok: true, found: `${text}: a version scheme of the distribution, not compared` };
  }
  if (meetsMinimum(part, version)) return { name, ok: true, found: text };
  const found = `${text} is older than ${minimumText(part)}: ${minimums[part].why}`;
  return { name, ok: false, found, outdated: true, ...bringsNewer(part) };
}

/** Compares with apt's list of updates. A component without a package, or a host without apt, passes with a remark. */
export function updateCheck(
  part: Part,
  known: readonly Installed[] | undefined,
  running: string = kernelBuild(),
): ProbeCheck[] {
  const name = `${part} updates`;
  if (known === undefined) return [{ name, ok: true, found: 'not compared: no apt on this host' }];
  const mine = known.find((one) => packages[part].includes(one.name));
  if (mine === undefined) return [{ name, ok: true, found: 'not compared: not installed from a package' }];
  const { installed, candidate, security } = mine;
  if (security) {
    const found = `${installed}; ${candidate} has security updates`;
    return [
      { name, ok: false, found, outdated: true, fix: `apt-get install -y --only-upgrade ${mine.name}` },
    ];
  }
  const runs = part === 'kernel' ? /\bDebian (\S+)/.exec(running)?.[1] : undefined;
  if (runs !== undefined && runs !== installed) {
    return [
      { name, ok: false, found: `${installed} is installed, ${runs} runs`, outdated: true, fix: 'reboot' },
    ];
  }
  const found =
    installed === candidate ? `${installed} is the newest known` : `${installed}; ${candidate} is available`;
  return [{ name, ok: true, found }];
}

/** CVE-2026-41163 and similar ones need a setuid bwrap, which this sandbox does not use. */
function setuidCheck(part: Part): ProbeCheck[] {
  const path = part === 'bubblewrap' ? findTool(programs.bubblewrap) : undefined;
  if (path === undefined || (statSync(path).mode & 0o4000) === 0) return [];
  const found = `${path} is setuid, with which vulnerabilities give root (CVE-2026-41163)`;
  return [{ name: 'bubblewrap is not setuid', ok: false, found, outdated: true, fix: `chmod u-s ${path}` }];
}

function bringsNewer(part: Part): Pick<ProbeCheck, 'fix' | 'package'> {
  if (part === 'kernel') return { fix: 'apt-get update && apt-get dist-upgrade, then reboot' };
  const from = packages[part][0];
  return from === undefined ? {} : { fix: `apt-get update && apt-get install -y ${from}`, package: from };
}

function unanswered(name: string, error: unknown): ProbeCheck {
  return { name, ok: true, found: `not compared: ${messageOf(error).split('\n')[0]}` };
}
