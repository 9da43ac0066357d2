import { QuorateError } from '../protocol/base/errors.ts';
import type { SourceErrorCode } from './error-codes.ts';

/** git exited with an error. `explain` converts it to a coded error. */
export class GitFailed extends Error {
  readonly stderr: string;

  constructor(code: number | null, stderr: string) {
    super(`git ended with ${code}: ${stderr}`);
    this.stderr = stderr;
  }

  /** Whether the server answered that it does not have or does not serve the commit or ref. */
  get isMissing(): boolean {
    return /not our ref|unadvertised object|couldn't find remote ref|no such remote ref/i.test(this.stderr);
  }

  /** Whether the server ended the connection without a word of why. */
  get isDropped(): boolean {
    return (
      /connection reset|hung up|early eof/i.test(this.stderr) &&
      !/^(?:remote:|ERROR:|fatal: remote error)|denied|fsck/im.test(this.stderr)
    );
  }
}

const explanations: { pattern: RegExp; code: SourceErrorCode; message: string; hint: string }[] = [
  {
    // Lines that begin with `remote:` are of the server's disk.
    pattern: /^(?!remote:).*(?:no space left on device|disk quota exceeded)/im,
    code: 'SOURCE_DISK_FULL',
    message: 'there is no room here for what git fetches',
    hint: 'Make room for temporary files, or name another folder for them: TMPDIR.',
  },
  {
    pattern: /(git|exec): .*not found|No such file or directory.*git$/i,
    code: 'SOURCE_GIT_MISSING',
    message: 'git is not installed',
    hint: 'Install git and make sure that it is in the PATH.',
  },
  {
    pattern: /not our ref|unadvertised object|couldn't find remote ref/i,
    code: 'SOURCE_COMMIT_NOT_FOUND',
    message: 'the repository does not have that commit or ref',
    hint: 'Push the commit first; name the branch or tag it is on.',
  },
  {
    pattern: /operation too slow/i,
    code: 'SOURCE_STALLED',
    message: 'the version control server stopped sending',
    hint: 'Try again later.',
  },
  {
    pattern:
      /could not resolve|connection refused|unable to connect|failed to connect|couldn't connect|timed out|no route to host|unreachable|connection reset/i,
    code: 'SOURCE_UNREACHABLE',
    message: 'the version control server cannot be reached',
    hint: 'Check the host, the port and the network.',
  },
  {
    pattern:
      /authentication failed|could not read username|permission denied|host key verification failed|terminal prompts disabled/i,
    code: 'SOURCE_DENIED',
    message: 'the version control server requires a login',
    hint: 'Use a public URL.',
  },
  {
    pattern: /redirect/i,
    code: 'SOURCE_REDIRECTED',
    message: 'the version control server redirects to another address',
    hint: 'Use the final address in the job.',
  },
  {
    pattern:
      /repository not exported|repository .*not found|not found|does not appear to be a git repository|not valid: is this a git/i,
    code: 'SOURCE_NOT_FOUND',
    message: 'there is no such repository',
    hint: 'Check the path of the URL.',
  },
  {
    pattern:
      /fsck|early eof|hung up|could not read from remote|protocol error|bad line length|invalid index-pack|index-pack failed|bad pack|pack has|not a tree object|unexpected|expected|out of memory|malformed|corrupt/i,
    code: 'SOURCE_SERVER_ERROR',
    message: 'the version control server sent invalid data',
    hint: 'Check the repository with git fsck.',
  },
];

/** Converts GitFailed to a coded error; returns other errors unchanged. `command`: by which a user sees the same. */
export function explain(error: unknown, what: string, command = 'git ls-remote <url>'): unknown {
  if (!(error instanceof GitFailed)) return error;
  for (const { pattern, code, message, hint } of explanations) {
    if (!pattern.test(error.stderr)) continue;
    return new QuorateError(code, `${what}: ${message} (${lastLine(error.stderr)})`, { hint, cause: error });
  }
  return new QuorateError('SOURCE_FAILED', `${what}: git failed (${lastLine(error.stderr)})`, {
    hint: `Try the same by hand: ${command}`,
    cause: error,
  });
}

const lastLine = (text: string): string =>
  text.split('\n').filter(Boolean).at(-1)?.slice(0, 300) ?? 'no output';
