export { type FetchProgress, fetchDependencies } from './fetch/fetch.ts';
export { layOut } from './layout/layout.ts';
export { layoutTar, type OpenBlob } from './layout/tar.ts';
export { type Layout, type LockedFile, layoutFolders } from './layout/types.ts';
