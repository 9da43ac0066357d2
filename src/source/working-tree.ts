import type { Readable } from 'node:stream';
import { QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import type { GitOptions } from './git.ts';
import { explain } from './git-failed.ts';
import { type GitTag, tagOf } from './git-folder.ts';
import { askGit, changesIn, headOf, noCommit, type OwnGit, ownGit, topFolder } from './local-repository.ts';
import { checkRef, isCommitId, visible } from './url.ts';

export interface Head {
  commit: string;
  /** Committer time in seconds since 1970. */
  committedSeconds: number;
}

export interface WorkingFiles {
  root: string;
  /** Tracked files, and untracked ones that are not ignored: relative paths. Submodules and nested repositories are folders. */
  paths: string[];
  /** HEAD; absent before the first commit. */
  head?: Head;
  /** As `changesIn` gives them. */
  changes: string;
  /** Full name of the branch that is checked out; absent where HEAD is detached. */
  ref?: string;
}

/** Files that "git add --all" would commit. @throws SOURCE_NO_REPOSITORY, SOURCE_TOO_LARGE, SOURCE_TREE_REFUSED, SOURCE_GIT_MISSING */
export async function workingFiles(path: string, options: GitOptions = {}): Promise<WorkingFiles> {
  const git = ownGit(options);
  const root = await topFolder(git, path);
  const head = await headWithTime(git, root);
  // A file with a merge conflict is listed once per side.
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
    throw explain(error, `cannot list the files of ${visible(root)}`, 'git status');
  }
  const changes = await changesIn(git, root);
  const ref = await askGit(git, root, ['symbolic-ref', '--quiet', 'HEAD']);
  return { root, paths: [...paths], changes, ...(head && { head }), ...(ref && { ref }) };
}

async function headWithTime(git: OwnGit, root: string): Promise<Head | undefined> {
  const args = ['--no-replace-objects', 'rev-list', '--timestamp', '--max-count=1', 'HEAD', '--'];
  const [seconds, commit] = (await askGit(git, root, args))?.split(' ') ?? [];
  return commit === undefined ? undefined : { commit, committedSeconds: Number(seconds) };
}

const tooMany = (root: string): QuorateError =>
  new QuorateError('SOURCE_TOO_LARGE', `${visible(root)} holds over ${limits.treeEntriesMax} files`, {
    hint: 'Exclude files that are not source in .gitignore.',
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
          hint: 'Rename the file, or exclude it in .gitignore.',
          cause,
        });
      }
    }
    rest = rest.subarray(start);
  }
}

export interface LocalCommit {
  root: string;
  commit: string;
  /** Full name of the branch or tag; absent for a commit that is named otherwise. */
  ref?: string;
  tag?: GitTag;
  objects: string;
}

/** Finds `HEAD`, a branch, tag or commit id. @throws SOURCE_NO_REPOSITORY, SOURCE_NO_COMMIT, SOURCE_REF_NOT_FOUND, SOURCE_REF_INVALID */
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
      { hint: 'Check the name: git branch --all and git tag list them.' },
    );
  }
  const objects = await askGit(git, root, ['rev-parse', '--path-format=absolute', '--git-path', 'objects']);
  if (objects === undefined) throw noCommit(root);
  const full = await askGit(git, root, ['rev-parse', '--symbolic-full-name', '--verify', '--quiet', ref]);
  if (full === undefined || !full.startsWith('refs/')) return { root, commit, objects };
  const tag = tagOf(full, await askGit(git, root, ['rev-parse', '--verify', '--quiet', full]));
  return { root, commit, objects, ref: full, ...(tag && { tag }) };
}
