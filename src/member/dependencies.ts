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

export interface DependencyOptions {
  /** The home: fetched files are kept there. */
  home: string;
  /** Where the package managers of this host find their configuration. */
  env: NodeJS.ProcessEnv;
  /** Whether files may be published that need credentials. */
  allowPrivate: boolean;
  onProgress(progress: FetchProgress): void;
  signal: AbortSignal;
}

/** Fetches what lock files demand. No package manager runs. @throws {QuorateError} `LOCK_…`, `DEPENDENCIES_…` */
export async function fetchLocked(
  locks: readonly string[],
  files: ReadonlyMap<string, Uint8Array>,
  { home, env, allowPrivate, onProgress, signal }: DependencyOptions,
) {
  const entries = await readLocksInThread({ locks, files, arch: hostArch }, signal);
  const cache = join(home, 'dependencies');
  return fetchDependencies(entries, { cache, env, allowPrivate, onProgress, signal, reach: reachFrom(env) });
}

/** Fetches what lock files of jobs demand, one tree for each set of lock files, into a store that `close` removes. @throws as `fetchLocked` */
export async function fetchTrees(
  jobs: readonly JobSpec[],
  lockFiles: ReadonlyMap<string, Uint8Array>,
  options: DependencyOptions,
) {
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
      const fetched = await fetchLocked(locks, lockFiles, options);
      const sources = { locks, files: lockFiles, arch: hostArch };
      const tree = await importDependencies(store, sources, fetched, options.signal);
      bySet.set(JSON.stringify(locks), { locks: [...locks], tree });
    }
    const trees = [...new Set([...bySet.values()].map(({ tree }) => tree))];
    const of = ({ dependencies: locks }: JobSpec): Dependencies | undefined => {
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
