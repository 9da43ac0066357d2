export {
  type CommitOptions,
  type ReadCommit,
  readCommit,
  readLocalCommit,
  readLocalGitFolder,
} from './commit.ts';
export type { SourceErrorCode } from './error-codes.ts';
export type { GitAccess, GitOptions } from './git.ts';
export type { GitTag } from './git-folder.ts';
export { type ListedRef, listRefs } from './list-refs.ts';
export { type CommittedFile, committedFile, type LocalRepo, localRepo } from './local-repository.ts';
export { type Resolved, resolveRef } from './resolve-ref.ts';
export { checkRef, type GitProtocol, type GitUrl, isCommitId, parseGitUrl } from './url.ts';
export { type LocalCommit, localCommit, type WorkingFiles, workingFiles } from './working-tree.ts';
