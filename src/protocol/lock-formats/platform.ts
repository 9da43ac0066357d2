import type { Job } from '../documents/job.ts';
import type { Found } from './entry.ts';

/** Architecture of the image that a job builds in. */
export type Arch = Job['arch'];

/** npm's words. */
const cpus: Readonly<Record<Arch, string>> = { x86_64: 'x64', aarch64: 'arm64' };

/** As npm reads such a list: `any`, one that is named, and none with `!` before it. */
function allows(list: readonly string[] | undefined, actual: string): boolean {
  if (list === undefined || list.includes('any')) return true;
  if (list.includes(`!${actual}`)) return false;
  const named = list.filter((one) => !one.startsWith('!'));
  return named.length === 0 || named.includes(actual);
}

/** Tags of the platform that a wheel is built for: the last part of its name (PEP 427). */
function wheelFits(file: string, arch: Arch): boolean {
  const tags = /-([^-]+)\.whl$/.exec(file)?.[1]?.split('.');
  return (
    tags === undefined || tags.some((tag) => tag === 'any' || (/linux/.test(tag) && tag.endsWith(`_${arch}`)))
  );
}

/**
 * Whether a build on Linux of this architecture may ask for the file, with any C library. A package that does not fit and is not
 * optional stays: its tool says that it does not fit.
 */
export function fits(
  { optional, platform, file = '', ecosystem }: Omit<Found, 'lacks'>,
  arch: Arch,
): boolean {
  if (ecosystem === 'pypi') return wheelFits(file, arch);
  if (!optional || platform === undefined) return true;
  return allows(platform.os, 'linux') && allows(platform.cpu, cpus[arch]);
}
