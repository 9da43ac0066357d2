import type { Readable } from 'node:stream';
import { QuorateError } from '../protocol/base/errors.ts';
import type { Job } from '../protocol/documents/index.ts';
import { type CommitOptions, type CommitWords, type GitOptions, readCommit } from '../source/index.ts';
import type { Area, ImportedTree, Store } from '../store/index.ts';

export interface SourceOptions {
  url: string;
  commit: string;
  /** A branch or tag that contains the commit, for servers that do not serve single commits. */
  ref: string;
  /** A folder for git's temporary files, which the caller removes where git runs in a sandbox. */
  dir: string;
  into: Area;
  /** Maximum size in bytes of the fetched objects, and of the files. */
  maxBytes?: number;
  /** Import the git folder of the commit too. */
  git?: Job['git'];
  /** Read subject and author of the commit too. */
  words?: CommitOptions['words'];
  /** Runs git in a sandbox; absent: as the user. */
  wrap?: GitOptions['wrap'];
  start?: GitOptions['start'];
  /** The way to the server; absent: git connects by itself. */
  connect?: CommitOptions['connect'];
  /** git that was started before. */
  waiting?: CommitOptions['waiting'];
  signal: AbortSignal;
}

export interface ImportedSource extends ImportedTree {
  /** Committer time in seconds since 1970. */
  committedSeconds: number;
  /** Where they were asked for. */
  words?: CommitWords;
  /** The git folder, where it was asked for. */
  git?: ImportedTree;
}

/**
 * Fetches a commit and imports its files into the store.
 * @throws `SOURCE_…`, STORE_DISK_FULL; SOURCE_TREE_REFUSED for a link that leaves the tree or a name that is not portable
 */
export async function importSource(store: Store, options: SourceOptions): Promise<ImportedSource> {
  const { url, commit, into, signal, maxBytes } = options;
  try {
    const importing = (tar: Readable) => store.importTar(tar, { into, signal, maxBytes });
    let git: ImportedTree | undefined;
    const gitFolder = options.git && {
      ...options.git,
      read: async (tar: Readable) => {
        git = await importing(tar);
      },
    };
    const limited = { ...options, gitFolder };
    const { value, committedSeconds, words } = await readCommit(url, commit, limited, importing);
    return {
      ...value,
      committedSeconds,
      ...(words !== undefined && { words }),
      ...(git !== undefined && { git }),
    };
  } catch (error) {
    throw asSourceError(error, `commit ${commit}`);
  }
}

/** Converts an error of the store about a tree into an error about the source. */
export function asSourceError(error: unknown, what: string): unknown {
  if (!(error instanceof QuorateError) || !error.code.startsWith('STORE_')) return error;
  if (error.code === 'STORE_DISK_FULL') return error;
  const message = `${what}: ${error.message}`;
  if (error.code === 'STORE_TREE_TOO_LARGE')
    return new QuorateError('SOURCE_TOO_LARGE', message, {
      hint: 'Make the repository smaller, or raise the disk limit of the job.',
      cause: error,
    });
  return new QuorateError('SOURCE_TREE_REFUSED', message, {
    hint:
      error.code === 'STORE_FILE_UNREADABLE'
        ? error.hint
        : 'Remove what the message names from the repository, and commit.',
    cause: error,
  });
}
