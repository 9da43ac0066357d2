import { inBuild, type Layout, type LockedFile, unsupported } from './types.ts';

const folder = 'dependencies/pip';

/** A folder of wheels and source archives in which pip looks for what it installs, build requirements too. */
export function pipLayout(files: readonly LockedFile[]): Layout {
  const addressed = files.find(({ origin }) => origin.kind !== 'registry');
  if (addressed !== undefined) {
    const why = 'pip fetches a requirement with an address from there only';
    throw unsupported(addressed, why, 'Write NAME==VERSION, with quorate.lock naming the file.');
  }
  return {
    files: files.map(({ file, blob }) => ({ path: `${folder}/${file}`, blob })),
    env: { PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_FIND_LINKS: inBuild(folder), PIP_NO_INDEX: '1' },
  };
}
