export { readCommit, readLocalCommit, readLocalGitFolder } from './commit.ts';
export type { SourceErrorCode } from './error-codes.ts';
export type { GitOptions } from './git.ts';
export type { GitTag } from './git-folder.ts';
export { type ListedRef, listRefs, resolveRef } from './list-refs.ts';
export {
  areIgnored,
  committedFile,
  isAtWork,
  isKept,
  isSameRepository,
  localRepo,
} from './local-repository.ts';
export type { CommitOptions, CommitWords, ReadCommit } from './repository.ts';
export { serveFolder } from './serve-folder.ts';
export { checkRef, type GitUrl, isCommitId, parseGitUrl } from './url.ts';
export { WaitingGit } from './waiting-git.ts';
export { localCommit, workingFiles } from './working-tree.ts';
