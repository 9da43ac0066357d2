import { availableParallelism } from 'node:os';

/** A member who lends a machine. `as`: the ordinary worker, one that changes what it builds, or one on a slow machine. */
export interface Member {
  operator: string;
  role: 'worker' | 'trusted-worker';
  as: 'ordinary' | 'tampers' | 'slow';
}

export const volunteer = (operator: string): Member => ({ operator, role: 'worker', as: 'ordinary' });
export const tamperer = (operator: string): Member => ({ operator, role: 'worker', as: 'tampers' });
export const trusted: Member = { operator: 'owner', role: 'trusted-worker', as: 'ordinary' };
export const slowTrusted: Member = { ...trusted, as: 'slow' };

/** The files in an artifact that a tamperer changes: of this repository, and of the C project. */
export const tamperedFiles = ['dist/program/quorate.js', 'bin/roman'];

/** Bytes that a tamperer appends to files. */
export const payload = "\nconsole.error('(this line was not in the source)');\n";

/** How many times as long a build takes on the slow machine. */
export const slowness = 20;
/** And how much longer at most, in milliseconds: where this machine is busy, a build takes long as it is. */
export const slowMsMax = 30_000;

/** Limits of each worker: those of the jobs, so that the demo runs on a small machine. */
export const lent = {
  cpus: Math.min(2, availableParallelism()),
  memory: 512 * 1024 ** 2,
  disk: 256 * 1024 ** 2,
  jobs: 2,
};
export const lentOptions = [
  ...['--cpus', String(lent.cpus), '--memory', '512MiB', '--disk', '256MiB', '--jobs', String(lent.jobs)],
];
/** Limits where this repository tests itself: its packages are 650 MB, in the memory of each build. */
export const lentForTests = [
  ...['--cpus', String(lent.cpus), '--memory', '2GiB', '--disk', '1GiB', '--jobs', '1'],
];
export const anyPort = '/ip4/127.0.0.1/tcp/0';
