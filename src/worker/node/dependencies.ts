import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { checkDependencies, type LaidDependencies, missingFile } from '../../execution/dependency-tree.ts';
import { lockFilesInTree } from '../../execution/lock-files.ts';
import { codeOf, messageOf, QuorateError } from '../../protocol/base/errors.ts';
import { escapeLine } from '../../protocol/base/escape.ts';
import type { Job } from '../../protocol/documents/index.ts';
import type { Area } from '../../store/index.ts';
import { TransferFailed } from '../../transfer/index.ts';
import type { WorkerContext } from './context.ts';
import { readingPin } from './inputs.ts';
import { pullFromControllers } from './pull.ts';

interface Reading {
  job: Job;
  /** The area of this worker's own checkout. */
  source: Area;
  signal: AbortSignal;
  /** A line of the build's log. */
  say(text: string): void;
}

/** Dependencies of one build, kept in the store's public area until `close`. */
export interface BuildDependencies {
  readonly laid: LaidDependencies | undefined;
  close(): Promise<void>;
}

/**
 * The files that the job's lock files demand: fetched as the tree that the job names, and compared, byte by byte, with the lock files in this
 * worker's own checkout. @throws DEPENDENCIES_MISMATCH, DEPENDENCIES_UNAVAILABLE, `LOCK_…`, STORE_DISK_FULL, the signal's reason.
 */
export async function openDependencies(
  context: WorkerContext,
  lease: string,
  { job, source, signal, say }: Reading,
): Promise<BuildDependencies> {
  if (job.dependencies === undefined) return { laid: undefined, close: async () => {} };
  const { store, dir } = context;
  const { locks, tree } = job.dependencies;
  const close = () => store.unpin(tree, readingPin(lease));
  say(`dependencies of ${locks.map((path) => escapeLine(path, 200)).join(', ')}: ${tree}`);
  const scratch = await mkdtemp(join(dir, 'tmp-'));
  try {
    await fetchTree(context, job, { tree, signal });
    await store.pin([tree], readingPin(lease));
    const files = await lockFilesInTree(store, job.source.tree, locks, { from: source, signal });
    const laid = await checkDependencies(store, tree, { locks, files, arch: job.arch }, { scratch, signal });
    return { laid, close };
  } catch (error) {
    // An error of this would hide why the job is not built.
    await close().catch(() => {});
    throw error;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function fetchTree(
  context: WorkerContext,
  { limits }: Job,
  { tree, signal }: { tree: string; signal: AbortSignal },
): Promise<void> {
  try {
    await pullFromControllers(context, tree, { maxBytes: limits.diskBytes, signal });
  } catch (error) {
    signal.throwIfAborted();
    if (codeOf(error) === 'STORE_DISK_FULL') throw error;
    const dropped = error instanceof TransferFailed ? error.dropped : [];
    const changed = dropped.find(({ block }) => block !== undefined);
    const file = await missingFile(context.store, tree, { block: changed?.block, signal });
    const what = file === undefined ? tree : `${escapeLine(file.file, 200)} of ${escapeLine(file.purl, 200)}`;
    const other = `${what} was sent with other bytes than the job names: ${messageOf(error)}`;
    if (changed !== undefined) throw new QuorateError('DEPENDENCIES_MISMATCH', other, { cause: error });
    throw new QuorateError('DEPENDENCIES_UNAVAILABLE', `${what} could not be had: ${messageOf(error)}`, {
      hint: 'Dependencies have to be within the disk limit of the job, and the controller has to be reachable.',
      cause: error,
    });
  }
}
