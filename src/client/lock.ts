import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type FixOptions, fixFiles, fixUrl } from '../dependencies/index.ts';
import { hostArch } from '../execution/host-arch.ts';
import { checkJobFileSize, parseJobFile } from '../jobfile/index.ts';
import { reachFrom } from '../node/reach.ts';
import { QuorateError } from '../protocol/base/errors.ts';
import { jobFileNames } from '../protocol/base/job-file-names.ts';
import {
  type Fixed,
  filesOfLocks,
  openFiles,
  quorateLock,
  readLocks,
  writeQuorateLock,
} from '../protocol/lock-formats/index.ts';
import { dependencyLimits } from '../protocol/lock-formats/limits.ts';

export type FixingOptions = Omit<FixOptions, 'reach'>;

/** Lock files of all jobs of the job file in a folder, each once. @throws {QuorateError} `JOBFILE_…`, LOCK_NOT_FOUND */
export async function locksOfJobs(folder: string): Promise<string[]> {
  for (const name of jobFileNames) {
    const bytes = await fileIn(folder, name, (size) => checkJobFileSize(size, name));
    if (bytes === undefined) continue;
    const { jobs } = parseJobFile(new TextDecoder().decode(bytes), name);
    const locks = [...new Set(jobs.flatMap(({ dependencies = [] }) => dependencies))].sort();
    if (locks.length > 0) return locks;
    throw new QuorateError('LOCK_NOT_FOUND', `no job of ${name} names lock files`, {
      hint: 'Name them under `dependencies` of a job, or on the command line: quorate lock requirements.txt',
    });
  }
  throw new QuorateError('JOBFILE_NOT_FOUND', `${folder} has no quorate.yaml`, {
    hint: 'Call it at the top of the repository, or name lock files: quorate lock requirements.txt',
  });
}

/** @throws {QuorateError} `LOCK_…` where something is open: what `run` would throw */
export async function checkLocks(folder: string, locks: readonly string[]): Promise<number> {
  return readLocks(locks, await filesIn(folder, locks), hostArch).length;
}

/** Fixes what lock files leave open. Writes nothing; `text` of a new `quorate.lock` where one is needed. @throws {QuorateError} `LOCK_…`, `DEPENDENCIES_…` */
export async function completeLocks(folder: string, locks: readonly string[], options: FixingOptions) {
  const files = await filesIn(folder, locks);
  const { open, kept } = openFiles(locks, files, hostArch);
  const fixed = await fixFiles(open, { ...options, reach: reachFrom(options.env) });
  const records = [...kept, ...fixed.flatMap((one) => one.files)];
  const isNeeded = records.length > 0 || files.has(quorateLock);
  const text = isNeeded ? writeQuorateLock(records) : undefined;
  if (text !== undefined) readLocks(locks, new Map([...files, [quorateLock, Buffer.from(text)]]), hostArch);
  return { text, fixed, kept };
}

/** Adds a file of no package, or replaces the one of that name. Writes nothing. @throws {QuorateError} `LOCK_…`, `DEPENDENCIES_…` */
export async function addToLock(
  folder: string,
  { url, name }: { url: string; name: string },
  options: FixingOptions,
): Promise<{ text: string; record: Fixed }> {
  const files = await filesIn(folder, []);
  const { kept } = openFiles([], files, hostArch);
  // An address or a name that the format cannot hold is refused before anything is fetched.
  const wanted = { purl: `pkg:generic/${name}`, file: name, sha256: '0'.repeat(64), url };
  openFiles([], new Map([[quorateLock, Buffer.from(writeQuorateLock([wanted]))]]), hostArch);
  const record = await fixUrl(url, name, { ...options, reach: reachFrom(options.env) });
  const text = writeQuorateLock([...kept.filter(({ purl }) => purl !== record.purl), record]);
  return { text, record };
}

async function filesIn(folder: string, locks: readonly string[]): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const { path } of filesOfLocks(locks)) {
    const bytes = await fileIn(folder, path, (size) => {
      const most = dependencyLimits.lockBytesMax;
      if (size > most)
        throw new QuorateError('LOCK_TOO_LARGE', `${path}: ${size} bytes; at most ${most} are read`);
    });
    if (bytes !== undefined) files.set(path, bytes);
  }
  return files;
}

/** Undefined for what is no file. `check` gets its size. */
async function fileIn(
  folder: string,
  path: string,
  check: (size: number) => void,
): Promise<Uint8Array | undefined> {
  const at = join(folder, path);
  const found = await lstat(at).catch(() => undefined);
  if (found === undefined || !found.isFile()) return undefined;
  check(found.size);
  return readFile(at);
}
