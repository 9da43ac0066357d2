import { limits } from '../base/limits.ts';
import { counted, sizeText } from '../base/quantity.ts';
import type { Job } from '../documents/index.ts';
import { outputFilesMaxOf } from './receipt-size.ts';

/** A limit of a job or of the protocol that a build exceeded, and its number. A limit of one operator's machine is none. */
export interface BuildLimit {
  name: BuildLimitName;
  max: number;
}

type LimitedJob = Pick<Job, 'limits'>;

interface Known {
  max: (job: LimitedJob) => number;
  says: (max: number) => string;
  /** Whether a build exceeds it may depend on the machine that it runs on: how fast, or how loaded, it is. */
  varies: boolean;
}

const known = {
  files: {
    max: outputFilesMaxOf,
    says: (max) => `its outputs are more than ${counted(max, 'file')} (limits.files of the job)`,
    varies: false,
  },
  treeEntries: {
    max: () => limits.treeEntriesMax,
    says: (max) =>
      `its outputs are more than ${counted(max, 'file')} and folders, as many as a tree may have`,
    varies: false,
  },
  seconds: {
    max: ({ limits: { seconds } }) => seconds,
    says: (max) => `it takes more than ${max} s (limits.time of the job)`,
    varies: true,
  },
  memoryBytes: {
    max: ({ limits: { memoryBytes } }) => memoryBytes,
    says: (max) => `it needs more than ${sizeText(max)} of memory (limits.memory of the job)`,
    varies: true,
  },
  diskBytes: {
    max: ({ limits: { diskBytes } }) => diskBytes,
    says: (max) => `it writes more than ${sizeText(max)} (limits.disk of the job)`,
    varies: true,
  },
} as const satisfies Record<string, Known>;

export type BuildLimitName = keyof typeof known;

export const limitNamed = (job: LimitedJob, name: BuildLimitName): BuildLimit => ({
  name,
  max: known[name].max(job),
});

/** A limit as a worker reports it: undefined where the job and the protocol have none of this name and number. */
export function knownLimit(
  job: LimitedJob,
  { name, max }: { name: string; max: number },
): BuildLimit | undefined {
  if (!Object.hasOwn(known, name)) return undefined;
  const limit = limitNamed(job, name as BuildLimitName);
  return limit.max === max ? limit : undefined;
}

export const limitVaries = ({ name }: BuildLimit): boolean => known[name].varies;

export const limitText = ({ name, max }: BuildLimit): string => known[name].says(max);
