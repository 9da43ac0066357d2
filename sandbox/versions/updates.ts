import { execFile } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findTool } from '../host.ts';
import { sandboxLimits } from '../limits.ts';

/** An installed package and the version that apt would install. */
export interface Installed {
  readonly name: string;
  readonly installed: string;
  readonly candidate: string;
  /** Whether the candidate is, or contains, an update from the security archive. */
  readonly security: boolean;
}

const systemCache = '/var/cache/apt/pkgcache.bin';

/**
 * Folder for a package cache of apt, if the system has none: container images disable it, and without a cache each call parses
 * all lists, which takes most of a second. apt checks itself whether the cache is current. Undefined if it is not needed or the
 * folder belongs to another user.
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
 * The installed ones of these packages, from apt's local lists; nothing is downloaded. Undefined if there is no apt. Rejects if
 * apt fails or times out.
 */
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
    if (name === undefined || installed === undefined || candidate === undefined) return [];
    if (installed === '(none)') return [];
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
