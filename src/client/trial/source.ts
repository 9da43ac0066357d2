import { join } from 'node:path';
import { asSourceError, importSource } from '../../execution/import-source.ts';
import type { JobFile } from '../../jobfile/index.ts';
import { jobFileInTree } from '../../member/job-in-tree.ts';
import { fetchRecipe, readLocalJobFile } from '../../member/recipe.ts';
import { type NamedRecipe, recipeText } from '../../protocol/base/recipe-name.ts';
import {
  localCommit,
  localRepo,
  readLocalCommit,
  readLocalGitFolder,
  resolveRef,
  workingFiles,
} from '../../source/index.ts';
import type { Store } from '../../store/index.ts';

/** Imports the git folder of a commit, as a worker makes it. Returns its CID. `ref`: HEAD where absent. @throws {QuorateError} SOURCE_NO_COMMIT */
async function trialGitFolder(
  store: Store,
  dir: string,
  { folder, ref = 'HEAD', signal }: TrialSourceOptions,
): Promise<string> {
  const { commit, objects, tag } = await localCommit(folder, ref, { signal });
  let cid = '';
  const read = async (tar: Parameters<Store['importTar']>[0]) => {
    cid = (await store.importTar(tar, { into: store.public, signal })).root;
  };
  await readLocalGitFolder(objects, commit, { dir, signal }, { tag, read });
  return cid;
}

export interface TrialSourceOptions {
  /** A folder in a git repository; with `url` the one whose project, stores and images are used. */
  folder: string;
  /** A repository on a server, in place of the folder. */
  url?: string | undefined;
  /** `HEAD`, a branch, a tag or a commit id; absent: the files of the working tree, or `HEAD` of the server. */
  ref?: string | undefined;
  /** The job file, in place of the source's own. */
  file?: NamedRecipe | { local: string } | undefined;
  signal: AbortSignal;
}

export interface TrialSource {
  /** Top folder of the repository, or its URL. */
  root: string;
  tree: string;
  /** The commit read, or HEAD of the working tree; absent before the first commit. */
  commit?: string;
  /** Committer time of that commit in seconds since 1970; 0 before the first one. */
  committedSeconds: number;
  /** Files of the working tree that differ from that commit, the first ones; empty where there are none. */
  changes: string;
  /** The job file, where it is not the source's own: a path, or `REPO@COMMIT:PATH`. */
  file?: string | undefined;
}

/** A source in the public area of a store, with its job file. */
interface OpenedSource {
  source: TrialSource;
  /** Of all files. */
  bytes: number;
  file: JobFile;
  /** Folder whose project has images, in `.quorate`. */
  repository: string;
  /** Imports the git folder of the commit, as a worker makes it. Returns its CID. */
  gitFolder(): Promise<string>;
  /** URL from which workers would fetch the source. */
  remote(): Promise<string | undefined>;
}

/** Reads a source and its job file. Runs git without a sandbox, since the user chose the server. */
export async function openSource(
  store: Store,
  dir: string,
  options: TrialSourceOptions,
): Promise<OpenedSource> {
  const { bytes, source, ...opened } = await (options.url === undefined
    ? readFolder(store, dir, options)
    : readServer(store, dir, { ...options, url: options.url }));
  const { file, named } = await jobFileOf(store, dir, source, options);
  return { ...opened, bytes, file, source: { ...source, file: named } };
}

type Read = Omit<OpenedSource, 'file'>;

async function readFolder(
  store: Store,
  dir: string,
  { folder, ref, signal }: TrialSourceOptions,
): Promise<Read> {
  const into = store.public;
  const more = (root: string) => ({
    repository: root,
    gitFolder: () => trialGitFolder(store, dir, { folder, ref, signal }),
    remote: async () => (await localRepo(root, { signal }).catch(() => undefined))?.remoteUrl,
  });
  if (ref !== undefined) {
    const { root, commit, objects } = await localCommit(folder, ref, { signal });
    const { value, committedSeconds } = await asSource(`commit ${commit}`, () =>
      readLocalCommit(objects, commit, { dir, signal }, (tar) => store.importTar(tar, { into, signal })),
    );
    const { root: tree, bytes } = value;
    return { source: { root, tree, commit, committedSeconds, changes: '' }, bytes, ...more(root) };
  }
  const { paths, root, changes, head } = await workingFiles(folder, { signal });
  const { root: tree, bytes } = await asSource(root, () =>
    store.importDirectory(root, { into, signal, only: paths }),
  );
  return { source: { committedSeconds: 0, ...head, root, tree, changes }, bytes, ...more(root) };
}

async function readServer(
  store: Store,
  dir: string,
  { url, folder, ref: named = 'HEAD', signal }: TrialSourceOptions & { url: string },
): Promise<Read> {
  const { commit, ref = named, tag } = await resolveRef(url, named, { signal, seconds: 60 });
  const from = { url, commit, ref, dir, into: store.public, signal };
  const { root: tree, bytes, committedSeconds } = await importSource(store, from);
  return {
    source: { root: url, tree, commit, committedSeconds, changes: '' },
    bytes,
    repository: folder,
    gitFolder: async () =>
      (await importSource(store, { ...from, git: tag === undefined ? {} : { tag } })).git?.root ?? '',
    remote: async () => url,
  };
}

async function jobFileOf(
  store: Store,
  dir: string,
  { root, tree, commit }: TrialSource,
  { url, ref, file, signal }: TrialSourceOptions,
): Promise<{ file: JobFile; named?: string }> {
  if (file === undefined) {
    const asIs = url === undefined && ref === undefined;
    const where = asIs ? root : `commit ${commit?.slice(0, 12)}${url === undefined ? '' : ` of ${url}`}`;
    const hint = '"quorate init" writes an example. For a repository that has none: --file <file>';
    const named = (name: string) => (asIs ? join(root, name) : name);
    return { file: await jobFileInTree(store, tree, { where, named, hint }) };
  }
  if ('local' in file) {
    const { local } = file;
    return { file: (await readLocalJobFile(local)).file, named: local };
  }
  const { file: parsed, recipe } = await fetchRecipe(store, file, { dir, signal });
  return { file: parsed, named: recipeText(recipe) };
}

function asSource<T>(what: string, read: () => Promise<T>): Promise<T> {
  return read().catch((error: unknown) => {
    throw asSourceError(error, what);
  });
}
