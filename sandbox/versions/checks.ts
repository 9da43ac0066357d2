import { execFile } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { homedir, version as kernelBuild, release } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '../../src/protocol/base/errors.ts';
import { readOptional } from '../files.ts';
import { findTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';
import type { ProbeCheck } from '../types.ts';
import { meetsMinimum, minimums, minimumText, type Part, type Version } from './minimum.ts';

/** An installed package and the version that apt would install. */
interface Installed {
  readonly name: string;
  readonly installed: string;
  readonly candidate: string;
  /** Whether the candidate is, or contains, an update from the security archive. */
  readonly security: boolean;
}

const exec = promisify(execFile);

const systemCache = '/var/cache/apt/pkgcache.bin';

/**
 * Folder for a package cache of apt where the system has none, as in containers: without one a call takes most of a second.
 * Undefined if it is not needed, or belongs to another user.
 */
function ownCache(): string | undefined {
  if (existsSync(systemCache)) return undefined;
  const folder = join(homedir(), '.cache', 'quorate', 'apt');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(folder);
    // HOME of a root process may be the home of another user.
    return found.isDirectory() && found.uid === process.getuid?.() ? folder : undefined;
  } catch {
    // Without a home folder there is no cache: calls take longer.
    return undefined;
  }
}

/** Output of `apt-cache policy`. If it fails with the cache (damaged, disk full), the cache is removed and it is run without. */
async function policy(apt: string, names: readonly string[]): Promise<string> {
  const ask = async (...options: string[]): Promise<string> => {
    const call = exec(apt, [...options, 'policy', '--', ...names], {
      timeout: sandboxLimits.toolMs,
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
    });
    return (await call).stdout;
  };
  const folder = ownCache();
  if (folder === undefined) return ask();
  try {
    return await ask('-o', `Dir::Cache::pkgcache=${join(folder, 'pkgcache.bin')}`);
  } catch {
    rmSync(folder, { recursive: true, force: true });
    return ask();
  }
}

/** Those that are installed, from the local lists of apt; undefined without apt. Rejects if apt fails or times out. */
export async function packagesInstalled(names: readonly string[]): Promise<Installed[] | undefined> {
  const apt = findTool('apt-cache');
  if (apt === undefined) return undefined;
  return parsePolicy(await policy(apt, names));
}

/** Parses the output of `apt-cache policy`: packages that are installed. */
export function parsePolicy(text: string): Installed[] {
  return text.split(/^(?=\S+:$)/m).flatMap((section): Installed[] => {
    const name = /^(\S+):$/m.exec(section)?.[1];
    const installed = /^ {2}Installed: (\S+)$/m.exec(section)?.[1];
    const candidate = /^ {2}Candidate: (\S+)$/m.exec(section)?.[1];
    if (name === undefined || installed === undefined || candidate === undefined || installed === '(none)')
      return [];
    return [{ name, installed, candidate, security: fromSecurity(section, installed) }];
  });
}

/** Whether a version listed before the installed one, which is newer, comes from a security archive. */
function fromSecurity(section: string, installed: string): boolean {
  for (const block of section.split(/^ (?=\*\*\* | {4}\S)/m).slice(1)) {
    const version = /^(?:\*\*\*)? *(\S+)/.exec(block)?.[1];
    if (version === installed) return false;
    if (/^\s+\d+ \S+ \S*-security\//m.test(block)) return true;
  }
  return false;
}

interface ReportedVersion {
  /** The report, in one line. */
  readonly text: string;
  /** Undefined if it cannot be compared: a version scheme of the distribution. */
  readonly version: Version | undefined;
}

const programs: Readonly<Record<Exclude<Part, 'kernel'>, string>> = {
  bubblewrap: 'bwrap',
  runsc: 'runsc',
  qemu: process.arch === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64',
};

/** Reads the version of a component; undefined if it is not installed. Rejects if the program fails or times out. */
async function readVersion(part: Part): Promise<ReportedVersion | undefined> {
  if (part === 'kernel') {
    const signature = readOptional('/proc/version_signature')?.trim();
    return kernelVersion({ release: release(), version: kernelBuild(), signature });
  }
  const path = findTool(programs[part]);
  if (path === undefined) return undefined;
  const { stdout } = await exec(path, ['--version'], { timeout: sandboxLimits.toolMs, env: {} });
  return programVersion(part, stdout);
}

/** Parses the output of `--version`. */
export function programVersion(part: Exclude<Part, 'kernel'>, said: string): ReportedVersion {
  const text = said.split('\n')[0]?.trim() ?? '';
  // A date and a counter: `0.0~20240729.0` from Debian, `release-20240729.0` upstream.
  const pattern = part === 'runsc' ? /\b(\d{8})\b/ : /(\d+)\.(\d+)(?:\.(\d+))?/;
  return { text, version: numbers(pattern.exec(text)) };
}

/**
 * The upstream release of the running kernel. Distributions keep the ABI name in uname's release while the source moves on:
 * Debian's is in uname's version (`… Debian 6.1.119-1 …`), Ubuntu's in /proc/version_signature (`… 5.15.131`).
 */
export function kernelVersion(said: {
  release: string;
  version: string;
  signature: string | undefined;
}): ReportedVersion {
  const text = said.release;
  const debian = /\bDebian (\d+)\.(\d+)\.(\d+)/.exec(said.version);
  const ubuntu = /(\d+)\.(\d+)\.(\d+)\s*$/.exec(said.signature ?? '');
  const own = /^(\d+)\.(\d+)\.(\d+)/.exec(said.release);
  if (debian !== null || ubuntu !== null) return { text, version: numbers(debian ?? ubuntu) };
  // Red Hat's 5.14.0-427.el9 and Ubuntu's 5.15.0-91-generic: the third number is fixed at 0.
  const still = own?.[3] === '0' && /^\d+\.\d+\.0-/.test(said.release);
  return { text, version: still ? undefined : numbers(own) };
}

function numbers(match: RegExpExecArray | null): Version | undefined {
  return match?.slice(1).map((number) => Number(number ?? 0));
}

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

export function minimumCheck(part: Part, { text, version }: ReportedVersion): ProbeCheck {
  const name = `${part} version`;
  if (version === undefined)
    return { name, ok: true, found: `${text}: a version scheme of the distribution, not compared` };
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
  const old = (found: string, fix: string): ProbeCheck[] => [{ name, ok: false, found, outdated: true, fix }];
  if (security) {
    const upgrade = `apt-get install -y --only-upgrade ${mine.name}`;
    return old(`${installed}; ${candidate} has security updates`, upgrade);
  }
  const runs = part === 'kernel' ? /\bDebian (\S+)/.exec(running)?.[1] : undefined;
  if (runs !== undefined && runs !== installed)
    return old(`${installed} is installed, ${runs} runs`, 'reboot');
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
