/** Error codes of dependencies: what each means and what to do. docs/errors.md is made from it. */
const dependencyErrors = {
  DEPENDENCIES_ARCHIVE_INVALID:
    'The archive of a dependency has the hash of the lock file and cannot be unpacked: it is damaged, unpacks to more than the limit, or holds what its tool never packs. Use another version of it.',
  DEPENDENCIES_CACHE:
    'The folder in which fetched dependencies are kept cannot be written or read. Make room on its disk, or correct its permissions.',
  DEPENDENCIES_CLIENT:
    'The configuration of a package manager on this host cannot be read. The message names the file or the command.',
  DEPENDENCIES_CONFLICT:
    'Two dependencies of one job would have one place in the sandbox; the message names both. Give their lock files to two jobs.',
  DEPENDENCIES_DAMAGED:
    'Each address of a dependency served bytes that do not have the hash in the lock file. The message names entry, address and both hashes. Find out who changed them before you change the lock file.',
  DEPENDENCIES_FETCH_FAILED:
    'A dependency could not be fetched from any of its addresses. The message names the entry and the reason of each address.',
  DEPENDENCIES_LOCAL_ONLY:
    'A job with dependencies is built by `quorate try` only, on the host that fetches them: workers cannot fetch them yet.',
  DEPENDENCIES_NO_REGISTRY:
    'The lock file names no address for a dependency, and the package manager of this host has no registry configured.',
  DEPENDENCIES_PRIVATE:
    'A registry gives a dependency to authorised clients only, and whatever a job depends on becomes readable by all workers. Allow it with --private, or depend on a public package.',
  DEPENDENCIES_TOO_LARGE:
    'A dependency, or all of them together, have more bytes than the limit. Split the job, or remove what is not needed from the lock file.',
  DEPENDENCIES_UNSUPPORTED:
    'The lock file names a dependency in a way that its tool cannot install without a network; the message says which and what to do.',
} as const;

export type DependencyErrorCode = keyof typeof dependencyErrors;

declare module '../core/errors.ts' {
  interface ErrorCodes extends Record<DependencyErrorCode, string> {}
}
