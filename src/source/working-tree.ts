import type { Readable } from 'node:stream';
import { QuorateError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { explain, type GitOptions } from './git.ts';
import { askGit, headOf, isDirty, noCommit, ownGit, topFolder } from './local-repository.ts';
import { checkRef, isCommitId, visible } from './url.ts';

export interface WorkingFiles {
  /** Top folder of the working tree. */
  root: string;
  /** What git tracks or would: relative to the root. Submodules and other repositories in it are named as folders. */
  paths: string[];
  /** Of HEAD; absent before the first one. */
  commit?: string;
  /** Files differ from that commit, or are new. */
  dirty: boolean;
}

/**
 * What a commit of everything would hold: files that are tracked, and those that are not and not ignored either. Some of
 * those tracked may be gone. The user's own git configuration says what is ignored.
 * @throws SOURCE_NO_REPOSITORY, SOURCE_TOO_LARGE, SOURCE_TREE_REFUSED, SOURCE_GIT_MISSING
 */
export async function workingFiles(path: string, options: GitOptions = {}): Promise<WorkingFiles> {
  const git = ownGit(options);
  const root = await topFolder(git, path);
  const commit = await headOf(git, root);
  // A file in conflict is listed once for each side.
  const paths = new Set<string>();
  try {
    await git(root, ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
      read: async (output) => {
        for await (const name of names(output)) {
          paths.add(name.replace(/\/$/, ''));
          if (paths.size > limits.treeEntriesMax) throw tooMany(root);
        }
      },
    });
  } catch (error) {
    throw explain(error, `cannot list the files of ${visible(root)}`);
  }
  const dirty = commit === undefined || (await isDirty(git, root));
  return { root, paths: [...paths], dirty, ...(commit !== undefined && { commit }) };
}

const tooMany = (root: string): QuorateError =>
  new QuorateError('SOURCE_TOO_LARGE', `${visible(root)} holds over ${limits.treeEntriesMax} files`, {
    hint: 'Have git ignore what is no source: a line for it in .gitignore.',
  });

async function* names(output: Readable): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of output as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = rest.indexOf(0); end !== -1; end = rest.indexOf(0, start)) {
      const bytes = rest.subarray(start, end);
      start = end + 1;
      try {
        yield decoder.decode(bytes);
      } catch (cause) {
        const shown = JSON.stringify(bytes.toString('latin1').slice(0, 200));
        throw new QuorateError('SOURCE_TREE_REFUSED', `the name of the file ${visible(shown)} is not UTF-8`, {
          hint: 'Rename the file, or have git ignore it.',
          cause,
        });
      }
    }
    rest = rest.subarray(start);
  }
}

export interface LocalCommit {
  root: string;
  /** Full id. */
  commit: string;
  /** The folder of the repository's objects. */
  objects: string;
}

/**
 * Finds a commit in the user's own repository.
 * @param ref `HEAD`, a branch, a tag or a commit id
 * @throws SOURCE_NO_REPOSITORY, SOURCE_NO_COMMIT, SOURCE_REF_NOT_FOUND, SOURCE_REF_INVALID, SOURCE_GIT_MISSING
 */
export async function localCommit(path: string, ref: string, options: GitOptions = {}): Promise<LocalCommit> {
  checkRef(ref);
  const git = ownGit(options);
  const root = await topFolder(git, path);
  const commit = await askGit(git, root, ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`]);
  if (commit === undefined || !isCommitId(commit)) {
    if ((await headOf(git, root)) === undefined) throw noCommit(root);
    throw new QuorateError(
      'SOURCE_REF_NOT_FOUND',
      `${visible(root)} has no branch, tag or commit ${JSON.stringify(ref)}`,
      { hint: 'Check the name: git branch --all and git tag list what there is here.' },
    );
  }
  const objects = await askGit(git, root, ['rev-parse', '--path-format=absolute', '--git-path', 'objects']);
  if (objects === undefined) throw noCommit(root);
  return { root, commit, objects };
}
