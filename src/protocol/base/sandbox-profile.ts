/**
 * Version of all that is pinned around a build: part of each job, and of each receipt (docs/sandbox.md). Another environment or
 * other permissions are another version, and so is another layout of dependencies (src/dependencies/layout). 2: the environment
 * names the commit, and SOURCE_DATE_EPOCH is its time (ADR 0032); a job may have dependencies (ADR 0039).
 */
export const sandboxProfile = 'quorate-sandbox/2';
