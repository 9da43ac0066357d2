import { execFile } from 'node:child_process';
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

/**
 * What apt knows of these packages, from the lists it has: nothing is fetched. Undefined where there is no apt. Rejects when
 * it does not answer.
 */
export async function packagesInstalled(names: readonly string[]): Promise<Installed[] | undefined> {
  const apt = findTool('apt-cache');
  if (apt === undefined) return undefined;
  const { stdout } = await promisify(execFile)(apt, ['policy', '--', ...names], {
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
