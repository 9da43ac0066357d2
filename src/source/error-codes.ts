/** Error codes of source checkouts: what each means and what to do. */
const sourceErrors = {
  SOURCE_COMMIT_INVALID: 'This is not a full commit id. Give all 40 (or 64) digits, in lower case.',
  SOURCE_COMMIT_NOT_FOUND:
    'The server does not serve the commit. Push it; if its branch has moved on, keep it reachable by a branch or tag.',
  SOURCE_DENIED:
    'The version control server requires a login. Use a public URL: workers have no credentials of the project.',
  SOURCE_DISK_FULL:
    'There is no room on this host for what git fetches. Make room for temporary files, or name another folder for them: `TMPDIR`.',
  SOURCE_FAILED: 'git failed; the message ends with its output.',
  SOURCE_FILE_NOT_COMMITTED:
    'The job file that is given with `--file` is in no git repository, not in the commit that is checked out there, or changed since. Commit and push it, so that others find what is built; `quorate try --file` takes it as it is.',
  SOURCE_GIT_MISSING: 'git cannot be run. Install it and make sure that it is in the PATH.',
  SOURCE_NOT_FOUND: 'The server has no such repository. Check the path of the URL.',
  SOURCE_NO_COMMIT: 'The repository has no commit yet. Commit first, and push unless `quorate up` runs here.',
  SOURCE_NO_REPOSITORY:
    'The folder is not in a git repository. Run the command inside a clone of the project, or name the repository.',
  SOURCE_OTHER_USER:
    'The repository belongs to another user, and git reads none that does (`safe.directory` in git-config(1)), or its folder `.quorate` does and cannot be read. Run the command as that user, or in a clone of your own.',
  SOURCE_PROTOCOL_REFUSED:
    "The URL's protocol is not supported. Supported: git, https and http, and ssh where no worker fetches.",
  SOURCE_REDIRECTED:
    'The server redirects to another address. Redirects are not followed, because the charter may not allow the target. Use the final address.',
  SOURCE_REF_INVALID:
    'This is not one branch, tag or full commit id. Give a name such as `main`, `v1.2` or `refs/heads/main`, or all 40 digits of a commit.',
  SOURCE_REF_NOT_FOUND: 'The repository has no such branch or tag. Check the name, and that it was pushed.',
  SOURCE_SERVER_ERROR: 'The version control server sent invalid data, or more than the limit.',
  SOURCE_SERVE_FAILED:
    'This host cannot serve the repository to its own workers: no port of 127.0.0.1 is free.',
  SOURCE_STALLED: 'The version control server stopped sending. Try again.',
  SOURCE_TAG_NOT_FOUND:
    'The server does not serve the tag that the job names, or it is of another commit by now. Push the tag; where it was moved, publish the job again.',
  SOURCE_TIMEOUT: 'git exceeded its time limit. Try again, or use a faster server.',
  SOURCE_TOO_LARGE:
    'The source has too many bytes or files. Make the repository smaller. Where a job fetches it, the disk of the job is the limit: `limits: {disk: …}` in its job file.',
  SOURCE_TREE_REFUSED:
    'The commit holds a link that leaves the tree, or a name that is not portable. Remove what the message names, and commit.',
  SOURCE_UNREACHABLE:
    'The version control server cannot be reached. Check the host, the port and the network.',
  SOURCE_URL_INVALID:
    'This is not a repository URL, or it holds a user name or password: jobs are public. Give one such as `https://host/project.git`, `git://host/project` or `ssh://git@host/project`.',
} as const;

export type SourceErrorCode = keyof typeof sourceErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<SourceErrorCode, string> {}
}
