const dependencyErrors = {
  DEPENDENCIES_ARCHIVE_INVALID:
    'The archive of a dependency has the hash of the lock file and cannot be unpacked: it is damaged, unpacks to more than the limit, or holds what its tool never packs. Use another version of it.',
  DEPENDENCIES_BUSY:
    'The controller has no room for these dependencies now: it takes in those of as many publishers as it does at once, or open jobs need the room. Publish again in a moment, or when some jobs have their verdict.',
  DEPENDENCIES_CACHE:
    'The folder in which fetched dependencies are kept cannot be written or read. Make room on its disk, or correct its permissions.',
  DEPENDENCIES_CLIENT:
    'The configuration of a package manager on this host cannot be read, or names no registry for a dependency without an address. The message names the file, the command or the entry.',
  DEPENDENCIES_CONFLICT:
    'Two dependencies of one job would have one place in the sandbox; the message names both. Give their lock files to two jobs.',
  DEPENDENCIES_DAMAGED:
    'Each address of a dependency served bytes that do not have the hash in the lock file. The message names entry, address and both hashes. Find out who changed them before you change the lock file.',
  DEPENDENCIES_FETCH_FAILED:
    'A dependency could not be fetched from any of its addresses. The message names the entry and the reason of each address.',
  DEPENDENCIES_PRIVATE:
    'A registry gives a dependency to authorised clients only, and whatever a job depends on becomes readable by all workers. Allow it with --private, or depend on a public package.',
  DEPENDENCIES_TOO_LARGE:
    'A dependency, or all of them together, have more bytes than the limit. Split the job, or remove what is not needed from the lock file.',
  DEPENDENCIES_UNAVAILABLE:
    'The dependencies of a job could not be had from where they are: the controller from the publisher, a worker from the controller, or `quorate sbom` the index of them from the peers that have the artifact. The message says why; what has arrived is kept, so publishing again goes on there. For a worker they have to fit into the disk limit of the job.',
  DEPENDENCIES_UNKNOWN:
    'The controller does not have the dependencies of the job: they were not brought before, or it let go of them for others. Publish with `quorate run`, which brings them.',
  DEPENDENCIES_UNSUPPORTED:
    'The lock file names a dependency in a way that its tool cannot install without a network; the message says which and what to do.',
} as const;

export type DependencyErrorCode = keyof typeof dependencyErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<DependencyErrorCode, string> {}
}
