import type { Found } from './entry.ts';
import { invalid, type Place, quote, unsupported } from './fault.ts';
import { checkName, checkPath } from './names.ts';
import { npmEntry, platformOf } from './npm.ts';
import { Fields, type Tree } from './tree.ts';
import { readYaml } from './yaml.ts';

/** Keys of a pnpm lock that are not read, by their indentation: most of the text. With them 50,000 packages take 7 s, without 2. */
const unread: Readonly<Record<number, ReadonlySet<string>>> = {
  0: new Set(['settings', 'importers', 'catalogs', 'overrides', 'patchedDependencies', 'time']),
  4: new Set([
    ...['engines', 'deprecated', 'hasBin', 'bundledDependencies'],
    ...['peerDependencies', 'peerDependenciesMeta'],
    ...['dependencies', 'optionalDependencies', 'transitivePeerDependencies'],
  ]),
};

/** A line that begins with a key, and the blanks before it. */
const keyLine = /^( *)([A-Za-z]+):(?: |$)/;

/** The text without these keys, what lies below them, and empty lines; and the number that each line has in the whole one, from 1. */
function withoutUnread(text: string): { text: string; numbers: readonly number[] } {
  const kept: string[] = [];
  const numbers: number[] = [];
  /** Blanks before the key whose values are left out; undefined outside of one. */
  let below: number | undefined;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || (below !== undefined && !isOutside(line, below))) continue;
    const [, blanks = '', key = ''] = keyLine.exec(line) ?? [];
    below = unread[blanks.length]?.has(key) === true ? blanks.length : undefined;
    if (below !== undefined) continue;
    kept.push(line);
    numbers.push(index + 1);
  }
  return { text: kept.join('\n'), numbers };
}

/** Whether a line is of no value of a key with so many blanks before it. Lists may begin where their key does. */
function isOutside(line: string, blanks: number): boolean {
  const first = line.search(/[^ ]/);
  return first !== -1 && first <= blanks && !(first === blanks && line.startsWith('- ', first));
}

/** The tarballs of `pnpm-lock.yaml` 9, which pnpm 9 and 10 write. Workspaces, links and local tarballs are no entries. */
export function parsePnpm(text: string, lock: string): Found[] {
  const kept = withoutUnread(text);
  const top = new Fields(readYaml(kept.text, lock, kept.numbers), lock, '');
  const version = top.get('lockfileVersion')?.value;
  if (typeof version !== 'string' || !/^9\.\d+$/.test(version)) {
    const said = typeof version === 'string' || typeof version === 'number' ? ` ${version}` : '';
    throw unsupported(
      top.at,
      `pnpm lock version${quote(said).slice(1, -1)}`,
      'pnpm 9 and 10 write version 9.',
    );
  }
  const needed = neededOf(top, lock);
  return top.entries('packages').flatMap(([key, tree]) => entryOf(key, tree, lock, needed) ?? []);
}

/** Packages that not only optional dependencies lead to: their key, without what peers they have in each place. */
function neededOf(top: Fields, lock: string): ReadonlySet<string> {
  const snapshots = top.entries('snapshots');
  const needed = snapshots.filter(
    // A snapshot may hold nothing that is read.
    ([key, tree]) => tree.value === null || !new Fields(tree, lock, key).flag('optional'),
  );
  return new Set(needed.map(([key]) => withoutPeers(key)));
}

/** `name@1.0.0(react@18.0.0)` → `name@1.0.0`. */
function withoutPeers(key: string): string {
  const open = key.indexOf('(');
  return open === -1 ? key : key.slice(0, open);
}

function entryOf(key: string, tree: Tree, lock: string, needed: ReadonlySet<string>): Found | undefined {
  const fields = new Fields(tree, lock, key);
  const { at } = fields;
  const split = key.indexOf('@', 1);
  if (split === -1) throw invalid(at, `${quote(key)} is not a package and its version`);
  const name = checkName('npm', key.slice(0, split), at);
  const spec = key.slice(split + 1);
  const found = fields.get('resolution');
  if (found === undefined) throw invalid(at, `${quote(key)} has no resolution`);
  const resolution = new Fields(found, lock, `${key} resolution`);
  const resolved = resolvedOf(resolution, at);
  if (resolved === undefined) return undefined;
  return npmEntry({
    name,
    at,
    resolved: resolved.url,
    // Of what no registry names, pnpm writes the version beside it.
    version: fields.text('version') ?? spec,
    integrity: resolution.text('integrity'),
    platform: platformOf(fields),
    optional: !needed.has(key),
  });
}

/** Where the tarball is, in npm's words; without an address at the registry. Undefined for a folder of the source tree. */
function resolvedOf(resolution: Fields, at: Place): { url: string | undefined } | undefined {
  const type = resolution.text('type');
  if (type === 'directory') {
    checkPath(resolution.text('directory') ?? '', at);
    return undefined;
  }
  if (type === 'git')
    return { url: `git+${gitRepository(resolution.text('repo') ?? '')}#${resolution.text('commit') ?? ''}` };
  if (type !== undefined)
    throw unsupported(at, `the resolution ${quote(type)} of pnpm`, 'pnpm 9 does not write it.');
  const url = resolution.text('tarball');
  return { url };
}

/** `git@host:path`, as ssh reads it, written as an address. */
const gitRepository = (repo: string): string =>
  /^[a-z+]+:\/\//.test(repo) ? repo.replace(/^git\+/, '') : repo.replace(/^git@([^:/]+):/, 'ssh://git@$1/');
