import { localCommit, readLocalGitFolder } from '../../source/index.ts';
import type { Store } from '../../store/index.ts';

/**
 * Imports the git folder of a commit, as a worker makes it, into the public area. Returns its CID.
 * @param ref as of a trial; absent: HEAD, from which the files may differ
 * @throws SOURCE_NO_COMMIT before the first commit, `SOURCE_…`, `STORE_…`
 */
export async function trialGitFolder(
  store: Store,
  {
    folder,
    ref = 'HEAD',
    dir,
    signal,
  }: { folder: string; ref?: string | undefined; dir: string; signal: AbortSignal },
): Promise<string> {
  const { commit, objects, tag } = await localCommit(folder, ref, { signal });
  let cid = '';
  await readLocalGitFolder(
    objects,
    commit,
    { dir, signal },
    {
      tag,
      read: async (tar) => {
        cid = (await store.importTar(tar, { into: store.public, signal })).root;
      },
    },
  );
  return cid;
}
