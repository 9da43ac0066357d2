import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import {
  type FetchProgress,
  fetchDependencies,
  layOut,
  readLocksInThread,
} from '../../dependencies/index.ts';
import type { LaidDependencies } from '../../execution/dependency-tree.ts';
import { hostArch } from '../../execution/host-arch.ts';
import { lockFilesInTree } from '../../execution/lock-files.ts';
import { reachFrom } from '../../node/reach.ts';
import type { Store } from '../../store/index.ts';

export interface DependencyOptions {
  /** The home: fetched files are kept there. */
  home: string;
  /** Where the package managers of this host find their configuration. */
  env: NodeJS.ProcessEnv;
  onProgress(progress: FetchProgress): void;
  signal: AbortSignal;
}

/**
 * Fetches what lock files of a source tree demand, and lays it out. No package manager runs.
 * @throws `LOCK_…`, `DEPENDENCIES_…`
 */
export async function trialDependencies(
  store: Store,
  tree: string,
  locks: readonly string[],
  { home, env, onProgress, signal }: DependencyOptions,
): Promise<LaidDependencies> {
  const files = await lockFilesInTree(store, tree, locks, { signal });
  const entries = await readLocksInThread({ locks, files, arch: hostArch }, { signal });
  const fetched = await fetchDependencies(entries, {
    ...{ cache: join(home, 'dependencies'), env, onProgress, signal },
    reach: reachFrom(env),
    // Private addresses are allowed: the result of a trial stays on this host.
    allowPrivate: true,
  });
  const paths = new Map<string, string>();
  const locked = [...fetched].map(([entry, { path, size, sha256 }]) => {
    paths.set(sha256, path);
    return { ...entry, blob: { name: sha256, size } };
  });
  return { layout: layOut(locks, locked), open: (name) => createReadStream(paths.get(name) ?? '') };
}
