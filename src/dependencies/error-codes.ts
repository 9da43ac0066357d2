/** Error codes of dependencies in a build: what each means and what to do. docs/errors.md is made from it. */
const dependencyErrors = {
  DEPENDENCIES_ARCHIVE_INVALID:
    'The archive of a dependency has the hash of the lock file and cannot be unpacked: it is damaged, unpacks to more than the limit, or holds what its tool never packs. Use another version of it.',
  DEPENDENCIES_CONFLICT:
    'Two dependencies of one job would have one place in the sandbox; the message names both. Give their lock files to two jobs.',
  DEPENDENCIES_UNSUPPORTED:
    'The lock file names a dependency in a way that its tool cannot install without a network; the message says which and what to do.',
} as const;

export type DependencyErrorCode = keyof typeof dependencyErrors;

declare module '../core/errors.ts' {
  interface ErrorCodes extends Record<DependencyErrorCode, string> {}
}
