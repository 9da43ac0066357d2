import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { assert, QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { explain } from './git-failed.ts';
import type { GitFolderReader } from './git-folder.ts';
import { type CommitOptions, type ReadCommit, Repository } from './repository.ts';
import { checkRef, isCommitId, parseGitUrl } from './url.ts';
import { newGitDir, removeGitDir, WaitingGit } from './waiting-git.ts';

/**
 * Fetches one commit and passes its files to `read` as an untrusted tar archive, as stored: no hooks, filters, LFS, conversions, keywords,
 * submodules (empty folders), prompts or configuration, so that every host gets the same tree. Fails for a truncated archive.
 * @throws SOURCE_…, and what the readers throw
 */
export async function readCommit<T>(
  url: string,
  commit: string,
  options: CommitOptions,
  read: (tar: Readable) => Promise<T>,
): Promise<ReadCommit<T>> {
  const at = parseGitUrl(url);
  if (!isCommitId(commit))
    throw new QuorateError(
      'SOURCE_COMMIT_INVALID',
      `${JSON.stringify(commit.slice(0, 80))} is not a full commit id`,
      {
        hint: 'Give all 40 (or 64) digits, in lower case.',
      },
    );
  if (options.ref !== undefined) checkRef(options.ref);
  const started = performance.now();
  const left = (): number =>
    Math.max(0.1, (options.seconds ?? limits.gitSecondsMax) - (performance.now() - started) / 1000);
  const { waiting } = options;
  assert(waiting === undefined || WaitingGit.reads(commit), 'git that waits reads this commit');
  const gitDir = waiting?.gitDir ?? (await newGitDir(options.dir));
  try {
    const repository = new Repository(gitDir, at, commit, {
      ...options,
      get seconds() {
        return left();
      },
    });
    if (waiting === undefined) repository.init();
    const done = (await repository.fetchArchive(read)) ?? (await repository.searchArchive(read));
    const { gitFolder } = options;
    if (gitFolder !== undefined) {
      if (gitFolder.tag !== undefined) await repository.fetchTag(gitFolder.tag);
      await repository.packGitFolder(gitFolder);
    }
    return options.words === true ? { ...done, words: await repository.words() } : done;
  } catch (error) {
    throw explain(error, `cannot check out ${commit}`);
  } finally {
    waiting?.end();
    // In a sandbox something may still run that changes them: whoever ends it removes them.
    if (options.wrap === undefined) await removeGitDir(gitDir);
  }
}

/** As `readCommit` from a local folder of objects (gitrepository-layout(5)). @throws SOURCE_TIMEOUT, SOURCE_GIT_MISSING, SOURCE_FAILED, as `read` */
export function readLocalCommit<T>(
  objects: string,
  commit: string,
  options: CommitOptions,
  read: (tar: Readable) => Promise<T>,
): Promise<ReadCommit<T>> {
  return withLocal(objects, commit, options, (repository) => repository.archive(read));
}

/** The git folder of a local commit. @throws SOURCE_TIMEOUT, SOURCE_GIT_MISSING, SOURCE_FAILED, SOURCE_TAG_NOT_FOUND, as the reader */
export function readLocalGitFolder(
  objects: string,
  commit: string,
  options: CommitOptions,
  reader: GitFolderReader,
): Promise<void> {
  return withLocal(objects, commit, options, (repository) => repository.packGitFolder(reader));
}

async function withLocal<T>(
  objects: string,
  commit: string,
  options: CommitOptions,
  use: (repository: Repository) => Promise<T>,
): Promise<T> {
  const gitDir = await newGitDir(options.dir);
  try {
    const repository = new Repository(gitDir, undefined, commit, options);
    repository.init();
    // gitrepository-layout(5)
    await mkdir(join(gitDir, 'objects', 'info'));
    await writeFile(join(gitDir, 'objects', 'info', 'alternates'), `${objects}\n`);
    return await use(repository);
  } catch (error) {
    throw explain(error, `cannot check out ${commit}`, `git show ${commit}`);
  } finally {
    await removeGitDir(gitDir);
  }
}
