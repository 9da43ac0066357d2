export { type CheckedOut, type CheckoutOptions, checkout, type Resolved, resolveRef } from './checkout.ts';
export type { GitOptions } from './git.ts';
export { type LocalRepo, localRepo } from './local.ts';
export { checkRef, type GitProtocol, type GitUrl, isCommitId, parseGitUrl } from './url.ts';
