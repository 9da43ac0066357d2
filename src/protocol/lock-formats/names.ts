import { invalid, type Place, quote } from './fault.ts';
import { dependencyLimits } from './limits.ts';

/** Characters of names of packages and versions, by ecosystem. No white space, no control characters, no lone `.` or `..`. */
const forms = {
  npm: /^(?:@[a-z0-9~._-]+\/)?[a-z0-9~_-][a-z0-9~._!'()*-]*$/i,
  cargo: /^[A-Za-z_][A-Za-z0-9_-]*$/,
  go: /^[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9._~-]+)*$/,
  pypi: /^[a-z0-9]+(?:-[a-z0-9]+)*$/,
  generic: /^[A-Za-z0-9_][A-Za-z0-9._+@-]*$/,
} as const;
const version = /^[0-9A-Za-z][0-9A-Za-z.+!_-]*$/;

const hasDots = (path: string): boolean => path.split('/').some((part) => part === '.' || part === '..');

/** The name of a package. Throws `LOCK_INVALID`. */
export function checkName(ecosystem: keyof typeof forms, name: string, at: Place): string {
  if (name.length > dependencyLimits.nameCharsMax || hasDots(name) || !forms[ecosystem].test(name))
    throw invalid(at, `${quote(name)} is not the name of a package`);
  return name;
}

/** A version: no path and no range. Throws `LOCK_INVALID`. */
export function checkVersion(text: string, at: Place): string {
  if (text.length > dependencyLimits.versionCharsMax || !version.test(text))
    throw invalid(at, `${quote(text)} is not a version`);
  return text;
}

/** Length of a file's name in a server's answer: it becomes a name in a folder. */
const fileCharsMax = 255;
const fileName = /^[A-Za-z0-9_@][A-Za-z0-9._+@~!-]*$/;

/** A name of a file, without a path. Throws `LOCK_INVALID`. */
export function checkFile(text: string, at: Place): string {
  if (text.length > fileCharsMax || !fileName.test(text))
    throw invalid(at, `${quote(text)} is not the name of a file`);
  return text;
}

/** Scheme, authority and the rest; nothing that a lenient parser would read otherwise. */
const address = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\\s]*)([^\\\s]*)$/;
const authority = /^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;

/** An address for http or https, without credentials and fragment. Throws `LOCK_INVALID`. */
export function checkUrl(text: string, at: Place): string {
  const [, scheme, host, rest = ''] =
    text.length > dependencyLimits.urlCharsMax ? [] : (address.exec(text) ?? []);
  if (host?.includes('@'))
    throw invalid(
      at,
      `the address of ${quote(rest)} holds a user name or a password, which a lock file makes public`,
    );
  const printable = /^[\x21-\x7e]*$/.test(rest);
  if (
    (scheme !== 'https' && scheme !== 'http') ||
    !authority.test(host ?? '') ||
    !printable ||
    rest.includes('#')
  )
    throw invalid(at, `${quote(text)} is not an http or https address`);
  return text;
}

/** Percent-encoding taken off; the text itself where it is none. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const lastPart = (path: string): string => path.replace(/^.*\//s, '');

/** A name for the file at an address: the last part of its path, with `_` for what a name may not hold. */
export function fileOfUrl(url: string): string {
  const [path = ''] = url.split('?', 1);
  const name = lastPart(decoded(lastPart(path)))
    .slice(-fileCharsMax)
    .replace(/[^A-Za-z0-9._+@~!-]/g, '_')
    .replace(/^[^A-Za-z0-9_@]/, '_');
  return name === '' ? 'package' : name;
}

/** A path in the source tree, from one that a lock file names; it may not lead out of the tree. */
export function checkPath(path: string, at: Place): string {
  const folder = at.lock.split('/').slice(0, -1);
  const parts = path.startsWith('/') ? undefined : [...folder, ...path.split('/')];
  const kept: string[] = [];
  for (const part of parts ?? ['..']) {
    if (part === '' || part === '.') continue;
    if (part === '..' && kept.pop() === undefined)
      throw invalid(at, `${quote(path)} leads out of the source tree`);
    if (part !== '..') kept.push(part);
  }
  return kept.join('/');
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** A package URL (ECMA-427). Parts of the name between slashes stand as they are spelled; `qualifiers` are sorted by key. */
export function purlOf(
  type: string,
  name: string,
  version: string,
  qualifiers: Readonly<Record<string, string>> = {},
): string {
  const path = name.split('/').map(encode).join('/');
  const query = Object.entries(qualifiers)
    .map(([key, value]) => `${key}=${encode(value).replace(/%3A/g, ':').replace(/%2F/g, '/')}`)
    .sort()
    .join('&');
  const at = version === '' ? '' : `@${encode(version)}`;
  return `pkg:${type}/${path}${at}${query === '' ? '' : `?${query}`}`;
}
