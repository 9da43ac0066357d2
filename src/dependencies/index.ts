export { openAgent } from './fetch/agent.ts';
export { DownloadCache, type FetchedFile, WrongHash } from './fetch/cache.ts';
export { digestsOfBytes } from './fetch/digests.ts';
export { type FetchProgress, fetchDependencies } from './fetch/fetch.ts';
export { type Got, get, NoAnswer, retried, shown } from './fetch/get.ts';
export { layOut } from './layout/layout.ts';
export { filesTar, layoutTar, type OpenBlob } from './layout/tar.ts';
export { type Layout, type LockedFile, layoutFolders } from './layout/types.ts';
export { checkIndexInThread, readLocksInThread } from './thread/read.ts';
