export { type CommitOptions, readCommit, readLocalCommit } from './commit.ts';
export type { GitOptions, Reach } from './git.ts';
export { type LocalRepo, localRepo } from './local.ts';
export { type Resolved, resolveRef } from './resolve.ts';
export { checkRef, type GitProtocol, type GitUrl, isCommitId, parseGitUrl } from './url.ts';
export { type LocalCommit, localCommit, type WorkingFiles, workingFiles } from './working.ts';
