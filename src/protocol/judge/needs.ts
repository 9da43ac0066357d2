import { counted, sizeTexts } from '../base/quantity.ts';
import type { Capabilities, Offer } from '../documents/index.ts';

/** The need of a job that a host does not meet, with both amounts; undefined where it meets all. */
export function lackOf(needs: Offer['needs'], has: Capabilities): string | undefined {
  if (needs.arch !== has.arch) return `the job is for ${needs.arch}, the host is ${has.arch}`;
  if (needs.cpus > has.cpus) return `the job wants ${counted(needs.cpus, 'cpu')}, the host lends ${has.cpus}`;
  for (const [what, wants, lends] of [
    ['memory', needs.memoryBytes, has.memoryBytes],
    ['disk', needs.diskBytes, has.diskBytes],
  ] as const) {
    if (wants <= lends) continue;
    const [wanted, lent] = sizeTexts(wants, lends);
    return `the job wants ${wanted} of ${what}, the host lends ${lent}`;
  }
  return undefined;
}

/** Whether a worker that takes no slot, for this reason, claims one as soon as it has room: then the reason begins so. */
export const isBusy = (reason: string): boolean => /^busy\b/.test(reason);
