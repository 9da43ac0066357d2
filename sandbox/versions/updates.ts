import { execFile } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';

/** A package that is installed, and what the package manager would install instead. */
export interface Installed {
  readonly name: string;
  readonly installed: string;
  readonly candidate: string;
  /** The candidate is, or contains, an update of the security archive. */
  readonly security: boolean;
}

const systemCache = '/var/cache/apt/pkgcache.bin';

/**
 * Images for containers have apt keep no cache: it then reads all lists on every call, which takes most of a second. With a
 * file of our own it looks itself whether that is still right. Undefined where it is not needed, or not safely ours.
 */
function ownCache(): string | undefined {
  if (existsSync(systemCache)) return undefined;
  const folder = join(homedir(), '.cache', 'quorate', 'apt');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(folder);
    // Root may have somebody else's home.
    return found.isDirectory() && found.uid === process.getuid?.() ? folder : undefined;
  } catch {
    // No home folder: it takes longer, nothing else.
    return undefined;
  }
}

/** With its cache; where that is damaged, or the disk is full, it goes and apt is asked without. */
async function policy(apt: string, names: readonly string[]): Promise<string> {
  const ask = async (...options: string[]): Promise<string> => {
    const call = promisify(execFile)(apt, [...options, 'policy', '--', ...names], {
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

/**
 * What apt knows of these packages, from the lists it has: nothing is fetched. Undefined where there is no apt. Rejects when
 * it does not answer.
 */
export async function packagesInstalled(names: readonly string[]): Promise<Installed[] | undefined> {
  const apt = findTool('apt-cache');
  if (apt === undefined) return undefined;
  return parsePolicy(await policy(apt, names));
}

/** `apt-cache policy`: those that are installed. */
export function parsePolicy(text: string): Installed[] {
  return text.split(/^(?=\S+:$)/m).flatMap((section): Installed[] => {
    const name = /^(\S+):$/m.exec(section)?.[1];
    const installed = /^ {2}Installed: (\S+)$/m.exec(section)?.[1];
    const candidate = /^ {2}Candidate: (\S+)$/m.exec(section)?.[1];
    if (name === undefined || installed === undefined || candidate === undefined) return [];
    if (installed === '(none)') return [];
    return [{ name, installed, candidate, security: fromSecurity(section, installed) }];
  });
}

/** Whether a version that is listed before the installed one, and so is newer, is of a security archive. */
function fromSecurity(section: string, installed: string): boolean {
  for (const block of section.split(/^ (?=\*\*\* | {4}\S)/m).slice(1)) {
    const version = /^(?:\*\*\*)? *(\S+)/.exec(block)?.[1];
    if (version === installed) return false;
    if (/^\s+\d+ \S+ \S*-security\//m.test(block)) return true;
  }
  return false;
}
