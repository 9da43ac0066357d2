import { homedir } from 'node:os';
import { QuorateError } from '../core/errors.ts';
import { explain, GitFailed, type GitOptions, run } from './git.ts';
import { visible } from './url.ts';

export interface LocalRepo {
  /** Top folder of the working tree. */
  root: string;
  /** Of HEAD. */
  commit: string;
  /** Absent when HEAD is detached. */
  branch?: string;
  /** True when files differ from the commit or are new and not ignored. */
  dirty: boolean;
  /** Of `origin`, or of the only remote. */
  remoteUrl?: string;
}

/**
 * Looks at the user's own repository around `path`, with the user's own git configuration.
 * @throws SOURCE_NO_REPOSITORY, SOURCE_NO_COMMIT, SOURCE_GIT_MISSING
 */
export async function localRepo(path: string, options: GitOptions = {}): Promise<LocalRepo> {
  const env = {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: homedir(),
    LC_ALL: 'C',
    GIT_OPTIONAL_LOCKS: '0',
    ...options.env,
  };
  const ask = async (args: string[]): Promise<string> =>
    (
      await run(['git', '--no-pager', '-c', 'core.fsmonitor=false', ...args], { ...options, cwd: path, env })
    ).replace(/\n$/, '');
  const tryAsk = (args: string[]): Promise<string | undefined> =>
    ask(args).catch((error: unknown) => {
      if (error instanceof GitFailed) return undefined;
      throw error;
    });

  let root: string;
  try {
    root = await ask(['rev-parse', '--show-toplevel']);
  } catch (cause) {
    if (!(cause instanceof GitFailed)) throw cause;
    throw new QuorateError(
      'SOURCE_NO_REPOSITORY',
      `${visible(path)} is not in a git repository: ${cause.complaint}`,
      {
        hint: 'Run this inside a clone of the project, or name the repository.',
        cause,
      },
    );
  }
  const commit = await tryAsk(['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
  if (commit === undefined) {
    throw new QuorateError('SOURCE_NO_COMMIT', `${visible(root)} has no commit yet`, {
      hint: 'Commit and push first.',
    });
  }
  const branch = await tryAsk(['symbolic-ref', '--quiet', '--short', 'HEAD']);
  let dirty = false;
  try {
    await run(['git', '--no-pager', '-c', 'core.fsmonitor=false', 'status', '--porcelain', '-z'], {
      ...options,
      cwd: root,
      env,
      read: async (output) => {
        for await (const _ of output) dirty = true;
      },
    });
  } catch (error) {
    throw explain(error, `cannot look at ${visible(root)}`);
  }
  const remotes = ((await tryAsk(['remote'])) ?? '').split('\n').filter(Boolean);
  const remote = remotes.includes('origin') ? 'origin' : remotes.length === 1 ? remotes[0] : undefined;
  const remoteUrl = remote === undefined ? undefined : await tryAsk(['remote', 'get-url', '--', remote]);
  return {
    root,
    commit,
    dirty,
    ...(branch !== undefined && { branch }),
    ...(remoteUrl !== undefined && { remoteUrl }),
  };
}
