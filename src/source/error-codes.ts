/** Error codes of source checkouts: what each means and what to do. docs/errors.md is made from it. */
const sourceErrors = {
  SOURCE_COMMIT_INVALID: 'This is not a full commit id. Give all 40 (or 64) digits, in lower case.',
  SOURCE_COMMIT_NOT_FOUND:
    'The repository does not hand out the commit. Push it; when its branch has moved on, keep it reachable by a branch or tag.',
  SOURCE_DENIED:
    'The version control server wants a login. Use a URL that anybody may read: workers have no secret of yours.',
  SOURCE_FAILED: 'git failed; the message ends with what it said.',
  SOURCE_GIT_MISSING: 'git cannot be run. Install it and make sure that it is in the PATH.',
  SOURCE_NOT_FOUND: 'The server has no such repository. Check the path of the URL.',
  SOURCE_NO_COMMIT: 'The repository has no commit yet. Commit and push first.',
  SOURCE_NO_REPOSITORY:
    'The folder is not in a git repository. Run the command inside a clone of the project, or name the repository.',
  SOURCE_PROTOCOL_REFUSED: "The URL's protocol is not used here. Only git, https, http and ssh are.",
  SOURCE_REDIRECTED:
    'The server points to another address, which is not followed: the charter may not allow it. Use the final address.',
  SOURCE_REF_AMBIGUOUS: 'The name is both a branch and a tag. Write `refs/heads/…` or `refs/tags/…`.',
  SOURCE_REF_INVALID:
    'This is not a branch, tag or full commit id. Give a name such as `main`, `v1.2` or `refs/heads/main`, or all 40 digits of a commit.',
  SOURCE_REF_NOT_FOUND: 'The repository has no such branch or tag. Check the name, and that it was pushed.',
  SOURCE_SERVER_ERROR: 'The version control server sent something wrong, or far too much of it.',
  SOURCE_STALLED: 'The version control server stopped sending. Try again.',
  SOURCE_TIMEOUT: 'git took too long. Try again, or use a server that is nearer.',
  SOURCE_TOO_LARGE:
    'The source has too many bytes or files. Make the repository smaller, or raise the limit for source.',
  SOURCE_TREE_REFUSED:
    'The commit holds what no build gets: a link that leaves the tree, or a name that not every system can hold. Take out what the message names, and commit.',
  SOURCE_UNREACHABLE:
    'The version control server cannot be reached. Check the host, the port and the network.',
  SOURCE_URL_CREDENTIALS:
    'The repository URL holds a user name or password. Anybody can read a job: use a URL that needs no secret.',
  SOURCE_URL_INVALID:
    'This is not a repository URL. Give one such as `https://host/project.git`, `git://host/project` or `ssh://git@host/project`.',
} as const;

export type SourceErrorCode = keyof typeof sourceErrors;

declare module '../core/errors.ts' {
  interface ErrorCodes extends Record<SourceErrorCode, string> {}
}
