import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import { QuorateError } from '../protocol/base/errors.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import { shellWord } from '../protocol/base/shell-word.ts';
import { type GitOptions, type RunOptions, run } from './git.ts';
import { explain, GitFailed } from './git-failed.ts';
import { visible } from './url.ts';

export interface LocalRepo {
  root: string;
  commit: string;
  /** Branch; absent if HEAD is detached. */
  branch?: string;
  /** As `changesIn` gives them. */
  changes: string;
  /** URL of the remote `origin`, or of the only remote. */
  remoteUrl?: string;
}

/**
 * Runs git in the user's repository with the user's configuration: never with that of a folder which somebody committed, and which looks
 * like a bare repository. @throws as `run` of git.ts, `SOURCE_OTHER_USER`
 */
export type OwnGit = (cwd: string, args: string[], more?: Pick<RunOptions, 'read'>) => Promise<string>;

export function ownGit(options: GitOptions): OwnGit {
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: homedir(),
    LC_ALL: 'C',
    GIT_OPTIONAL_LOCKS: '0',
    ...options.env,
  };
  const settings = ['-c', 'core.fsmonitor=false', '-c', 'safe.bareRepository=explicit'];
  return async (cwd, args, more = {}) => {
    try {
      return await run(['git', '--no-pager', ...settings, ...args], { ...options, ...more, cwd, env });
    } catch (error) {
      throw ofOtherUser(error) ?? error;
    }
  };
}

/** git takes part in no repository of another user, whose configuration names programs, unless it is told to. */
function ofOtherUser(error: unknown): QuorateError | undefined {
  const [, at] =
    (error instanceof GitFailed && /dubious ownership in repository at '(.+)'/.exec(error.stderr)) || [];
  if (at === undefined) return undefined;
  return new QuorateError('SOURCE_OTHER_USER', `${visible(at)} is the repository of another user`, {
    hint: `Run this as that user, or in a clone of your own. To have git trust it all the same: git config --global --add safe.directory ${shellWord(visible(at))}`,
    cause: error,
  });
}

/** Output of git without the final line feed; undefined if git exits with an error. */
export async function askGit(git: OwnGit, cwd: string, args: string[]): Promise<string | undefined> {
  try {
    return (await git(cwd, args)).replace(/\n$/, '');
  } catch (error) {
    if (error instanceof GitFailed) return undefined;
    throw error;
  }
}

/** Top folder of the working tree around a path. @throws SOURCE_NO_REPOSITORY */
export async function topFolder(git: OwnGit, path: string): Promise<string> {
  try {
    return (await git(path, ['rev-parse', '--show-toplevel'])).replace(/\n$/, '');
  } catch (cause) {
    if (!(cause instanceof GitFailed)) throw cause;
    throw new QuorateError(
      'SOURCE_NO_REPOSITORY',
      `${visible(path)} is not in a git repository: ${cause.stderr}`,
      {
        hint: 'Run this inside a clone of the project, or name the repository.',
        cause,
      },
    );
  }
}

export const headOf = (git: OwnGit, root: string): Promise<string | undefined> =>
  askGit(git, root, ['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);

/** Changed files that are named. */
const namedMax = 3;

/** Files that differ from the commit, or are new and not ignored: the names of the first ones, escaped; empty where there are none. */
export async function changesIn(git: OwnGit, root: string): Promise<string> {
  let listed = '';
  try {
    await git(root, ['status', '--porcelain', '-z', '--no-renames'], {
      read: async (output) => {
        for await (const chunk of output as AsyncIterable<Buffer>)
          if (listed.split('\0').length <= namedMax + 1) listed += chunk.toString('latin1');
      },
    });
  } catch (error) {
    throw explain(error, `cannot read the state of ${visible(root)}`, 'git status');
  }
  const entries = Buffer.from(listed, 'latin1').toString().split('\0').slice(0, -1);
  // Two letters and a space stand before each.
  const names = entries.slice(0, namedMax).map((entry) => escapeLine(entry.slice(3), 200));
  return `${names.join(', ')}${entries.length > namedMax ? ' and more' : ''}`;
}

export const noCommit = (root: string): QuorateError =>
  new QuorateError('SOURCE_NO_COMMIT', `${visible(root)} has no commit yet`, {
    hint: 'Commit first, and push unless "quorate up" runs here.',
  });

/** Whether git keeps a path below `folder`, or something below it. @throws {QuorateError} SOURCE_… where git cannot tell */
export async function isKept(folder: string, path: string): Promise<boolean> {
  let bytes = 0;
  try {
    // However much it is.
    await ownGit({})(folder, ['ls-files', '-z', '--', `:(literal)${path}`], {
      read: async (output) => {
        for await (const chunk of output as AsyncIterable<Buffer>) bytes += chunk.length;
      },
    });
  } catch (error) {
    throw explain(error, `cannot tell what git keeps in ${visible(folder)}`, 'git status');
  }
  return bytes > 0;
}

/** Whether a command of git changes the index, and with it maybe files, that began then (ms since the epoch) or before. */
export async function isAtWork(folder: string, then: number): Promise<boolean> {
  const lock = await askGit(ownGit({}), folder, ['rev-parse', '--git-path', 'index.lock']);
  if (lock === undefined) return false;
  const made = statSync(resolve(folder, lock), { throwIfNoEntry: false });
  return made !== undefined && made.birthtimeMs <= then;
}

/** Whether git leaves out each of these paths, which it does not keep, by whatever rule. */
export async function areIgnored(folder: string, paths: readonly string[]): Promise<boolean> {
  const listed = await askGit(ownGit({}), folder, ['check-ignore', '--', ...paths]);
  return listed?.split('\n').length === paths.length;
}

/** Whether these folders are in working trees of one repository. False where git cannot tell. */
export async function isSameRepository(...folders: string[]): Promise<boolean> {
  const where = ['rev-parse', '--path-format=absolute', '--git-common-dir'];
  const found = await Promise.all(
    folders.map((folder) => askGit(ownGit({}), folder, where).catch(() => undefined)),
  );
  return found.every((one) => one !== undefined && one === found[0]);
}

export interface CommittedFile {
  /** Below the top folder. */
  path: string;
  repository: LocalRepo;
}

/** Where a file is in the user's repository, unchanged since HEAD. @throws SOURCE_FILE_NOT_COMMITTED, SOURCE_NO_COMMIT, SOURCE_GIT_MISSING */
export async function committedFile(file: string): Promise<CommittedFile> {
  const git = ownGit({});
  const folder = dirname(file);
  const prefix = await askGit(git, folder, ['rev-parse', '--show-prefix']);
  if (prefix === undefined) throw notCommitted(file, 'is in no git repository');
  const repository = await localRepo(folder);
  const path = prefix + basename(file);
  const { root } = repository;
  const there = await askGit(git, root, ['cat-file', '-e', `HEAD:${path}`]);
  if (there === undefined) throw notCommitted(file, `is not in the commit that is checked out in ${root}`);
  const differs = await askGit(git, root, ['diff', '--quiet', 'HEAD', '--', `:(literal)${path}`]);
  if (differs === undefined) throw notCommitted(file, 'has changes that are not committed');
  return { path, repository };
}

const notCommitted = (file: string, why: string): QuorateError =>
  new QuorateError('SOURCE_FILE_NOT_COMMITTED', `${visible(file)} ${why}`, {
    hint: 'Commit and push it: others have to find it. quorate try --file takes it as it is.',
  });

/** The state of the user's repository around `path`. @throws SOURCE_NO_REPOSITORY, SOURCE_NO_COMMIT, SOURCE_GIT_MISSING */
export async function localRepo(path: string, options: GitOptions = {}): Promise<LocalRepo> {
  const git = ownGit(options);
  const root = await topFolder(git, path);
  const commit = await headOf(git, root);
  if (commit === undefined) throw noCommit(root);
  const branch = await askGit(git, root, ['symbolic-ref', '--quiet', '--short', 'HEAD']);
  const changes = await changesIn(git, root);
  const remotes = ((await askGit(git, root, ['remote'])) ?? '').split('\n').filter(Boolean);
  const remote = remotes.includes('origin') ? 'origin' : remotes.length === 1 ? remotes[0] : undefined;
  const remoteUrl =
    remote === undefined ? undefined : await askGit(git, root, ['remote', 'get-url', '--', remote]);
  return {
    root,
    commit,
    changes,
    ...(branch !== undefined && { branch }),
    ...(remoteUrl !== undefined && { remoteUrl }),
  };
}
