import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { changedPaths } from '../execution/changed-paths.ts';
import type { ConfinedGit } from '../execution/confined-git.ts';
import { asSourceError, importSource } from '../execution/import-source.ts';
import { fetchableUrl } from '../execution/source-url.ts';
import type { JobFile, JobTemplate } from '../jobfile/index.ts';
import { makeScratch } from '../node/scratch.ts';
import { assert } from '../protocol/base/errors.ts';
import type { Recipe } from '../protocol/documents/index.ts';
import { type Plan, planPipeline } from '../protocol/pipeline/index.ts';
import {
  type CommitWords,
  type GitTag,
  localCommit,
  readLocalCommit,
  resolveRef,
  workingFiles,
} from '../source/index.ts';
import { openStore, type Store } from '../store/index.ts';
import { jobFileInTree } from './job-in-tree.ts';
import { fetchRecipe, readLocalJobFile, type WantedRecipe } from './recipe.ts';

/** A commit that a ref had when it was looked at; the ref itself may have moved on. `tag` where it is one. */
interface SeenCommit {
  /** Full name. */
  ref: string;
  commit: string;
  tag?: GitTag;
}

/** Gives git in a sandbox of its own, which reaches the repository's server only (`openConfinedGit`). */
export type Confine = <T>(
  use: (git: Pick<ConfinedGit, 'dir' | 'wrap' | 'connect'>) => Promise<T>,
) => Promise<T>;

/** A repository on a server, or one around a folder, of which only objects that are there are read. */
export type Repository = { url: string } | { folder: string };

export interface PlanOptions {
  repository: Repository;
  /** Branch, tag or full commit id; `HEAD`. */
  ref: string | SeenCommit;
  /** Runs git for a repository on a server; absent: without a sandbox. */
  confine?: Confine | undefined;
  /** Reads the files as they are in the folder, instead of the commit at `ref`. */
  working?: boolean | undefined;
  base?: string | undefined;
  recipe?: WantedRecipe | { local: string } | undefined;
  /** Read subject and author of the commit too, from a server. */
  words?: boolean | undefined;
  signal: AbortSignal;
  /** Called while the store that holds the tree is open. */
  read?(store: Store, planned: PlannedCommit): Promise<void>;
}

export interface PlannedCommit {
  /** Full name of the branch or tag, or the commit id. */
  ref: string;
  /** Of files as they are: what is checked out, or empty before the first commit. */
  commit: string;
  tree: string;
  /** Where the ref is a tag. */
  tag?: GitTag | undefined;
  /** Where they were asked for. */
  words?: CommitWords | undefined;
  base?: string | undefined;
  changed?: string[] | undefined;
  file: JobFile;
  /** Where the job file is not the repository's own. */
  recipe?: Recipe | undefined;
  plan: Plan<JobTemplate>;
}

/**
 * Checks a commit out, reads its `quorate.yaml` or the given job file, computes the CID of its tree and decides which jobs are built. Runs git
 * without a sandbox unless one is given. @throws {QuorateError} `SOURCE_…`, `JOBFILE_…`, `PIPELINE_…`
 */
export async function planCommit(options: PlanOptions): Promise<PlannedCommit> {
  const { repository, ref, base, recipe: wanted, confine, signal } = options;
  if ('url' in repository) fetchableUrl(repository.url);
  const scratch = await makeScratch('run');
  try {
    const store = await openStore({ dir: join(scratch, 'store') });
    try {
      const read = (one: string | SeenCommit, words = false) =>
        readCommitOf(repository, one, { store, dir: scratch, confine, words, signal });
      const { tree, ...source } =
        options.working === true
          ? await readWorkingFiles(repository, store, signal)
          : await read(ref, options.words);
      const at = options.working === true ? 'the files' : `commit ${source.commit.slice(0, 12)}`;
      const own = async () => ({
        recipe: undefined,
        file: await jobFileInTree(store, tree, {
          where: `${at} of ${'url' in repository ? repository.url : repository.folder}`,
          named: (name) =>
            `${name} ${options.working === true ? 'as it is' : `at ${source.commit.slice(0, 12)}`}`,
          hint: 'Commit one ("quorate init" writes an example), and push it unless "quorate up" runs here. For a repository that has none: --file <file>',
        }),
      });
      const given = async (of: WantedRecipe | { local: string }) =>
        'local' in of
          ? { recipe: undefined, file: (await readLocalJobFile(of.local)).file }
          : fetchRecipe(store, of, { dir: scratch, signal });
      const { file, recipe } = wanted === undefined ? await own() : await given(wanted);
      const before = base === undefined ? undefined : await read(base);
      const changed = before && {
        base: before.commit,
        paths: await changedPaths(store, before.tree, tree, signal),
      };
      const plan = planPipeline(file.instances, { ref: source.ref, ...(changed && { changed }) });
      const planned = { ...source, tree, file, plan, recipe, base: changed?.base, changed: changed?.paths };
      await options.read?.(store, planned);
      return planned;
    } finally {
      await store.close();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function readWorkingFiles(
  repository: Repository,
  store: Store,
  signal: AbortSignal,
): Promise<Pick<PlannedCommit, 'ref' | 'commit' | 'tree'>> {
  assert('folder' in repository, 'files as they are stand in a folder');
  const { paths, root, head, ref = 'HEAD' } = await workingFiles(repository.folder, { signal });
  try {
    const { root: tree } = await store.importDirectory(root, { into: store.public, signal, only: paths });
    return { ref, commit: head?.commit ?? '', tree };
  } catch (error) {
    throw asSourceError(error, root);
  }
}

async function readCommitOf(
  repository: Repository,
  named: string | SeenCommit,
  of: { store: Store; dir: string; confine: Confine | undefined; words: boolean; signal: AbortSignal },
): Promise<Pick<PlannedCommit, 'ref' | 'commit' | 'tree' | 'tag' | 'words'>> {
  const { store, dir, confine, words: withWords, signal } = of;
  const into = store.public;
  if ('url' in repository) {
    const { url } = repository;
    const readIn = async (git: Pick<ConfinedGit, 'dir'> & Partial<Pick<ConfinedGit, 'wrap' | 'connect'>>) => {
      const seen =
        typeof named === 'string'
          ? { ref: named, ...(await resolveRef(url, named, { ...git, signal, seconds: 60 })) }
          : named;
      const { commit, ref, tag } = seen;
      const asked = { url, commit, ref, into, words: withWords, signal };
      const { root, words } = await importSource(store, { ...asked, ...git });
      return { ref, commit, tree: root, tag, words };
    };
    return confine === undefined ? readIn({ dir }) : confine(readIn);
  }
  assert(typeof named === 'string', 'a commit of a folder is named');
  const { commit, objects, tag, ref = commit } = await localCommit(repository.folder, named, { signal });
  try {
    const importing = (tar: Parameters<Store['importTar']>[0]) => store.importTar(tar, { into, signal });
    const { value } = await readLocalCommit(objects, commit, { dir, signal }, importing);
    return { ref, commit, tree: value.root, tag };
  } catch (error) {
    throw asSourceError(error, `commit ${commit}`);
  }
}
