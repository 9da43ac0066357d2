import type { Found, Origin, Platform } from './entry.ts';
import { invalid, type Place, quote, unsupported } from './fault.ts';
import { parseSri } from './integrity.ts';
import { readJson } from './json.ts';
import { checkName, checkPath, checkUrl, checkVersion, decoded, fileOfUrl, purlOf } from './names.ts';
import { Fields, type Tree } from './tree.ts';

/** The tarballs of npm's lock files, versions 2 and 3. Workspaces, links, local and bundled packages are no entries. */
export function parseNpm(text: string, lock: string): Found[] {
  const top = new Fields(readJson(text, lock), lock, '');
  const version = top.get('lockfileVersion')?.value;
  if (version !== 2 && version !== 3) {
    const what =
      version === 1 || version === undefined ? 'npm lock version 1' : 'this version of npm lock files';
    throw unsupported(
      top.at,
      what,
      'npm 7 or newer writes version 3: npm install --package-lock-only --lockfile-version 3.',
    );
  }
  return top.entries('packages').flatMap(([key, tree]) => entryOf(key, tree, lock) ?? []);
}

function entryOf(key: string, tree: Tree, lock: string): Found | undefined {
  const fields = new Fields(tree, lock, key);
  const { at } = fields;
  if (key !== '') checkPath(key, at);
  const installed = /(?:^|\/)node_modules\/((?:@[^/]*\/)?[^/]*)$/.exec(key)?.[1];
  const resolved = fields.get('resolved')?.value;
  if (fields.flag('link')) {
    if (typeof resolved !== 'string') throw invalid(at, `the link ${quote(key)} leads nowhere`);
    checkPath(resolved, at);
    return undefined;
  }
  // The project itself, a workspace, or what lies in the tarball of another package.
  if (installed === undefined || fields.flag('inBundle')) return undefined;
  const name = checkName('npm', fields.text('name') ?? installed, at);
  const version = fields.text('version');
  if (version === undefined) throw invalid(at, `${quote(key)} has no version`);
  return npmEntry({
    name,
    version,
    at,
    resolved: fields.text('resolved'),
    integrity: fields.text('integrity'),
    platform: platformOf(fields),
    optional: fields.flag('optional'),
  });
}

/** Where an entry of npm, pnpm or yarn can be installed. */
export function platformOf(fields: Fields): Platform | undefined {
  const [os, cpu, libc] = [fields.texts('os'), fields.texts('cpu'), fields.texts('libc')];
  if (os === undefined && cpu === undefined && libc === undefined) return undefined;
  return { ...(os && { os }), ...(cpu && { cpu }), ...(libc && { libc }) };
}

/** A package as npm, pnpm and yarn name it. */
interface NpmPackage {
  name: string;
  version: string;
  at: Place;
  /** The address of the tarball, as the lock has it. */
  resolved: string | undefined;
  integrity: string | undefined;
  platform?: Platform | undefined;
  optional?: boolean;
}

/** The entry of one package; undefined where its tarball lies in the source tree. Throws `LOCK_INVALID`. */
export function npmEntry(one: NpmPackage): Found | undefined {
  const { name, at, resolved } = one;
  const local = resolved === undefined ? undefined : /^file:(.*)$/s.exec(resolved)?.[1];
  if (local !== undefined) {
    checkPath(local, at);
    return undefined;
  }
  const version = checkVersion(one.version, at);
  const origin = originOf(name, version, resolved, at);
  const integrity = one.integrity === undefined ? undefined : parseSri(one.integrity, at);
  return {
    ecosystem: 'npm',
    name,
    version,
    origin,
    purl: purlOf('npm', name, version, qualifiersOf(origin)),
    file: origin.kind === 'url' ? fileOfUrl(origin.url) : tarballOf(name, version),
    ...(one.integrity !== undefined && { locked: one.integrity }),
    ...(integrity === undefined ? { lacks: lackOf(origin, one.integrity) } : { integrity }),
    ...(one.platform !== undefined && { platform: one.platform }),
    ...(one.optional && { optional: true as const }),
    ...at,
  };
}

function lackOf(origin: Origin, integrity: string | undefined): string {
  if (origin.kind === 'git') return 'a git dependency has no hash of a file';
  return integrity === undefined ? 'it has no hash' : 'its only hash is of an algorithm that is broken';
}

const tarballOf = (name: string, version: string): string =>
  `${name.slice(name.indexOf('/') + 1)}-${version}.tgz`;

const qualifiersOf = (origin: Origin): Record<string, string> => {
  if (origin.kind === 'git') return { vcs_url: `git+${origin.url}@${origin.commit}` };
  return origin.kind === 'url' ? { download_url: origin.url } : {};
};

const commit = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

function originOf(name: string, version: string, resolved: string | undefined, at: Place): Origin {
  if (resolved === undefined) return { kind: 'registry' };
  const [, git, fragment] = /^git\+([^#]+)#(.*)$/.exec(resolved) ?? [];
  if (git !== undefined) return { kind: 'git', url: gitUrl(git, at), commit: commitOf(fragment, at) };
  const url = checkUrl(resolved, at);
  return isRegistryUrl(url, name, version) ? { kind: 'registry', url } : { kind: 'url', url };
}

function commitOf(text: string | undefined, at: Place): string {
  if (text === undefined || !commit.test(text)) throw invalid(at, 'the git dependency names no commit');
  return text;
}

/** `https://`, `http://`, `git://`, or `ssh://` with no more than the user that hosts of repositories share. */
function gitUrl(text: string, at: Place): string {
  const ssh = /^ssh:\/\/(?:git@)?(.*)$/s.exec(text)?.[1];
  const plain = ssh ?? /^(?:https?|git):\/\/(.*)$/s.exec(text)?.[1];
  if (plain === undefined) throw invalid(at, `${quote(text)} is not the address of a git repository`);
  checkUrl(`https://${plain}`, at);
  return text;
}

/** `…/NAME/-/BASE-VERSION.tgz`: the tarball of a registry. */
function isRegistryUrl(url: string, name: string, version: string): boolean {
  const [path = ''] = url.split('?', 1);
  const tail = `/-/${tarballOf(name, version)}`;
  return path.endsWith(tail) && decoded(path.slice(0, -tail.length)).endsWith(`/${name}`);
}
