import { inBuild, type Layout, type LockedFile, unsupported } from './types.ts';

const folder = 'dependencies/yarn';

/** The offline mirror of yarn 1: one folder of tarballs, named after their addresses. */
export function yarnLayout(packages: readonly LockedFile[]): Layout {
  return {
    files: packages.map((locked) => ({ path: `${folder}/${mirrorName(locked)}`, blob: locked.blob })),
    env: { YARN_YARN_OFFLINE_MIRROR: inBuild(folder) },
  };
}

/** Scope and last part of the address, as yarn names it (`getTarballMirrorPath` of its tarball fetcher). */
function mirrorName(locked: LockedFile): string {
  const { kind, url } = locked.origin;
  if (kind === 'git' || url === undefined) {
    const why = kind === 'git' ? 'yarn fetches git dependencies with git' : 'yarn.lock has no address of it';
    throw unsupported(locked, why, 'Depend on a published version of it, and have yarn write yarn.lock.');
  }
  const { pathname } = new URL(url);
  const [, scope, file] =
    /\/(?:(@[^/]+)(?:\/|%2f))?[^/]+\/(?:-|_attachments)\/(?:@[^/]+\/)?([^/]+)$/.exec(pathname) ?? [];
  const last = pathname.slice(pathname.lastIndexOf('/') + 1);
  if (last === '')
    throw unsupported(locked, 'its address names no file', 'Depend on a published version of it.');
  if (file === undefined) return last;
  return scope === undefined ? file : `${scope}-${file}`;
}
