import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { limits } from '../../src/core/limits.ts';
import { findTool } from '../host.ts';

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
 * file of our own it looks itself whether that is still right.
 */
function ownCache(): string[] {
  if (existsSync(systemCache)) return [];
  try {
    const folder = join(homedir(), '.cache', 'quorate', 'apt');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return ['-o', `Dir::Cache::pkgcache=${join(folder, 'pkgcache.bin')}`];
  } catch {
    // No home folder: it takes longer, nothing else.
    return [];
  }
}

/**
 * What apt knows of these packages, from the lists it has: nothing is fetched. Undefined where there is no apt. Rejects when
 * it does not answer.
 */
export async function packagesInstalled(names: readonly string[]): Promise<Installed[] | undefined> {
  const apt = findTool('apt-cache');
  if (apt === undefined) return undefined;
  const { stdout } = await promisify(execFile)(apt, [...ownCache(), 'policy', '--', ...names], {
    timeout: limits.sandboxToolMs,
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
  });
  return parsePolicy(stdout);
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
