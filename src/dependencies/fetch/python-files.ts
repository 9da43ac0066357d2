import { type Found, fileOfUrl } from '../../protocol/lock-formats/index.ts';

/** A file that an index lists. */
export interface ListedFile {
  url: string;
  sha256: string;
}

export interface ChosenFiles {
  files: { file: string; sha256: string }[];
  /** Why these, for people. */
  why: string;
}

/** Tags at the end of a wheel's name: of interpreter, ABI and platform (PEP 427). */
const wheel = /-([^-]+)-([^-]+)-([^-]+)\.whl$/;

/**
 * The files of a Python package to install from, of those that its lock file allows: a wheel for any platform; else the wheels for Linux, of one version of Python (`3.13`)
 * where one is given; else the source archive. Undefined where there is none.
 */
export function choosePythonFiles(
  { name, version, integrity }: Found,
  listed: readonly ListedFile[],
  python: string | undefined,
): ChosenFiles | undefined {
  const allowed = listed
    .map(({ url, sha256 }) => ({ file: fileOfUrl(url), sha256 }))
    .filter(({ file, sha256 }) => integrity?.digests.includes(sha256) ?? isOf(file, name, version));
  const wheels = allowed.filter(({ file }) => wheel.test(file) && runsOn(file, python));
  const any = wheels.filter(({ file }) => file.endsWith('-any.whl'));
  if (any.length > 0) return { files: any, why: 'a wheel for any platform' };
  const linux = wheels.filter(({ file }) => /linux/.test(wheel.exec(file)?.[3] ?? ''));
  // Most images have the GNU C library; the others are taken where there is nothing for it.
  const gnu = linux.filter(({ file }) => !file.includes('musllinux'));
  const chosen = gnu.length > 0 ? gnu : linux;
  if (chosen.length > 0)
    return { files: chosen, why: `wheels for Linux${python === undefined ? '' : ` and Python ${python}`}` };
  const archives = allowed.filter(({ file }) => /\.(?:tar\.gz|zip)$/.test(file));
  return archives.length === 0
    ? undefined
    : { files: archives, why: 'the source archive: there is no wheel for Linux' };
}

/** Where the lock file has no hash: by its name. */
function isOf(file: string, name: string, version: string): boolean {
  const [before = ''] = file.split(`-${version}`);
  return before !== file && before.toLowerCase().replace(/[-_.]+/g, '-') === name;
}

function runsOn(file: string, python: string | undefined): boolean {
  if (python === undefined) return true;
  const [, interpreter = '', abi = ''] = wheel.exec(file) ?? [];
  const [major = '', minor = ''] = python.split('.');
  return interpreter.split('.').some((tag) => {
    if (tag === `cp${major}${minor}` || tag === `py${major}` || tag === `py${major}${minor}`) return true;
    const since = new RegExp(`^cp${major}(\\d+)$`).exec(tag)?.[1];
    return abi === `abi${major}` && since !== undefined && Number(since) <= Number(minor);
  });
}
