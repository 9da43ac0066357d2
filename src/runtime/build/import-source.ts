import { QuorateError } from '../../core/errors.ts';
import { type GitOptions, readCommit } from '../../source/index.ts';
import type { Area, ImportedTree, Store } from '../../store/index.ts';

/** Fetching a source takes no longer than this, whatever a job's own time limit. */
const sourceSecondsMax = 600;

export interface SourceOptions {
  url: string;
  commit: string;
  /** The branch or tag the commit is on, for servers that hand out no single commits. */
  ref: string;
  /** A folder for git to work in. */
  dir: string;
  into: Area;
  /** Of what is fetched, and again of the files. */
  maxBytes?: number;
  /** Where git runs; absent, as the user's own. */
  wrap?: GitOptions['wrap'];
  signal: AbortSignal;
}

/**
 * Brings the files of a commit into the store. Errors: `SOURCE_…`, `STORE_DISK_FULL`; `SOURCE_TREE_REFUSED` for a tree with
 * a link that leaves it or a name that not every system can hold.
 */
export async function importSource(store: Store, options: SourceOptions): Promise<ImportedTree> {
  const { url, commit, into, signal, maxBytes } = options;
  try {
    return await readCommit(url, commit, { ...options, seconds: sourceSecondsMax }, (tar) =>
      store.importTar(tar, { into, signal, maxBytes }),
    );
  } catch (error) {
    throw asSourceError(error, `commit ${commit}`);
  }
}

/** What the store refuses of a source is the source's fault. */
export function asSourceError(error: unknown, what: string): unknown {
  if (!(error instanceof QuorateError) || !error.code.startsWith('STORE_')) return error;
  if (error.code === 'STORE_DISK_FULL') return error;
  const message = `${what}: ${error.message}`;
  if (/^STORE_TREE_TOO_(LARGE|MANY)$/.test(error.code)) {
    return new QuorateError('SOURCE_TOO_LARGE', message, {
      hint: 'Make the repository smaller, or raise the disk limit of the job.',
      cause: error,
    });
  }
  return new QuorateError('SOURCE_TREE_REFUSED', message, {
    hint: 'Take out of the repository what the message names, and commit.',
    cause: error,
  });
}
