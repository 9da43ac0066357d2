import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type FetchProgress, fetchDependencies, readLocksInThread } from '../dependencies/index.ts';
import { importDependencies } from '../execution/dependency-tree.ts';
import { hostArch } from '../execution/host-arch.ts';
import type { JobSpec } from '../jobfile/index.ts';
import { reachFrom } from '../node/reach.ts';
import { makeScratch } from '../node/scratch.ts';
import { assert } from '../protocol/base/errors.ts';
import type { Job } from '../protocol/documents/index.ts';
import { openStore, type Store } from '../store/index.ts';

type Dependencies = NonNullable<Job['dependencies']>;

export interface FetchOptions {
  /** The home: fetched files are kept there. */
  home: string;
  /** Where the package managers of this host find their configuration. */
  env: NodeJS.ProcessEnv;
  /** Whether files may be published that need credentials. */
  allowPrivate: boolean;
  onProgress(progress: FetchProgress): void;
  signal: AbortSignal;
}

/** Files that the lock files of jobs demand, as trees in a store of its own, which `close` removes. */
export interface FetchedTrees {
  readonly store: Store;
  /** One for each set of lock files. */
  readonly trees: readonly string[];
  /** Undefined for a job without dependencies. */
  of(job: JobSpec): Dependencies | undefined;
  close(): Promise<void>;
}

/**
 * Fetches what the lock files of jobs demand. Jobs with the same lock files share a tree. No package manager runs.
 * @throws `LOCK_…`, `DEPENDENCIES_…`, `STORE_…`
 */
export async function fetchTrees(
  jobs: readonly JobSpec[],
  lockFiles: ReadonlyMap<string, Uint8Array>,
  options: FetchOptions,
): Promise<FetchedTrees> {
  const scratch = await makeScratch('run');
  const bySet = new Map<string, Dependencies>();
  let store: Store | undefined;
  const close = async () => {
    await store?.close();
    await rm(scratch, { recursive: true, force: true });
  };
  try {
    store = await openStore({ dir: join(scratch, 'store') });
    for (const { dependencies: locks } of jobs) {
      if (locks === undefined || bySet.has(JSON.stringify(locks))) continue;
      const tree = await treeOf(store, locks, lockFiles, options);
      bySet.set(JSON.stringify(locks), { locks: [...locks], tree });
    }
    const trees = [...new Set([...bySet.values()].map(({ tree }) => tree))];
    const of = ({ dependencies: locks }: JobSpec) => {
      if (locks === undefined) return undefined;
      const found = bySet.get(JSON.stringify(locks));
      assert(found !== undefined, 'what each of the jobs demands was fetched');
      return found;
    };
    return { store, trees, of, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function treeOf(
  store: Store,
  locks: readonly string[],
  files: ReadonlyMap<string, Uint8Array>,
  { home, env, allowPrivate, onProgress, signal }: FetchOptions,
): Promise<string> {
  const sources = { locks, files, arch: hostArch };
  const entries = await readLocksInThread(sources, { signal });
  const fetched = await fetchDependencies(entries, {
    ...{ cache: join(home, 'dependencies'), env, allowPrivate, onProgress, signal },
    reach: reachFrom(env),
  });
  return importDependencies(store, sources, fetched, signal);
}
