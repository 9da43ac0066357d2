import type { Found } from './entry.ts';
import { invalid, type Place, quote, unsupported } from './fault.ts';
import { base64OfHex } from './integrity.ts';
import { checkName } from './names.ts';
import { npmEntry } from './npm.ts';

/** One entry: the ranges that it answers, and its fields. What it depends on in turn is not kept. */
interface YarnEntry {
  at: Place;
  patterns: string[];
  fields: Map<string, string>;
}

/** The tarballs of Yarn 1. It does not say what is optional or for which platform, so all are in. Local ones are no entries. */
export function parseYarn(text: string, lock: string): Found[] {
  const lines = text.split(/\r?\n/);
  const metadata = lines.findIndex((line) => line.startsWith('__metadata:'));
  if (metadata !== -1) {
    const instead = 'Lock files of Yarn 1, npm and pnpm are read.';
    throw unsupported({ lock, line: metadata + 1 }, 'the lock file of Yarn 2 or newer (berry)', instead);
  }
  if (!lines.includes('# yarn lockfile v1'))
    throw invalid({ lock, line: 1 }, 'no line says "# yarn lockfile v1"');
  return entriesOf(lines, lock).flatMap((entry) => foundOf(entry) ?? []);
}

const word = /^(?:"((?:[^"\\]|\\.){0,4000})"|([^\s",:][^\s",]*?))(?=,|:?$|\s)/;

/** The text of a word, quoted or not, and what is behind it. */
function wordOf(text: string, at: Place): [word: string, rest: string] {
  const match = word.exec(text);
  if (match === null) throw invalid(at, `${quote(text)} is not a line of a lock file`);
  const [all, quoted, plain = ''] = match;
  try {
    return [quoted === undefined ? plain : String(JSON.parse(`"${quoted}"`)), text.slice(all.length)];
  } catch {
    throw invalid(at, `${quote(text)} is not a line of a lock file`);
  }
}

function entriesOf(lines: readonly string[], lock: string): YarnEntry[] {
  const entries: YarnEntry[] = [];
  const seen = new Set<string>();
  /** Within `dependencies:` or the like. */
  let nested = false;
  lines.forEach((text, index) => {
    const at = { lock, line: index + 1 };
    if (text === '' || text.startsWith('#')) return;
    const [, indent = '', rest = ''] = /^( *)(.*)$/s.exec(text) ?? [];
    const entry = entries.at(-1);
    if (indent === '') {
      const patterns = patternsOf(rest, at);
      for (const pattern of patterns) {
        if (seen.has(pattern)) throw invalid(at, `${quote(pattern)} occurs twice`);
        seen.add(pattern);
      }
      entries.push({ at, patterns, fields: new Map() });
      nested = false;
    } else if (entry === undefined || (indent.length !== 2 && !(nested && indent.length === 4)))
      throw invalid(at, 'the line is not indented as in a lock file');
    else if (indent.length === 2) nested = readField(entry, rest, at);
  });
  return entries;
}

function patternsOf(text: string, at: Place): string[] {
  const patterns: string[] = [];
  for (let rest = text; ; ) {
    const [pattern, behind] = wordOf(rest, at);
    patterns.push(pattern);
    if (behind === ':') return patterns;
    if (!behind.startsWith(', ')) throw invalid(at, `${quote(text)} is not a line of a lock file`);
    rest = behind.slice(2);
  }
}

/** Keeps a field of an entry. Whether fields of its own follow. */
function readField({ fields }: YarnEntry, text: string, at: Place): boolean {
  const [key, behind] = wordOf(text, at);
  if (behind === ':') return true;
  const [value, rest] = wordOf(behind.trimStart(), at);
  if (rest !== '') throw invalid(at, `${quote(text)} is not a line of a lock file`);
  if (fields.has(key)) throw invalid(at, `${quote(key)} occurs twice`);
  fields.set(key, value);
  return false;
}

/** The package that a range is of: that behind `npm:` where its name is an alias. */
function nameOf(pattern: string, at: Place): string {
  const aliased = /^@?[^@]*@npm:(.*)$/s.exec(pattern)?.[1] ?? pattern;
  const split = aliased.indexOf('@', 1);
  return checkName('npm', split === -1 ? aliased : aliased.slice(0, split), at);
}

function foundOf({ at, patterns, fields }: YarnEntry): Found | undefined {
  const names = new Set(patterns.map((pattern) => nameOf(pattern, at)));
  const [name = '', second] = names;
  if (second !== undefined) throw invalid(at, `one entry is for ${quote(name)} and for ${quote(second)}`);
  const version = fields.get('version');
  if (version === undefined) throw invalid(at, `${quote(name)} has no version`);
  const [url, fragment] = splitFragment(fields.get('resolved'));
  // A folder of the source tree has no address.
  if (url === undefined && patterns.every((pattern) => /@(?:file|link):/.test(pattern))) return undefined;
  const sha1 = fragment !== undefined && /^[0-9a-f]{40}$/.test(fragment) ? fragment : undefined;
  const integrity = fields.get('integrity') ?? (sha1 === undefined ? undefined : `sha1-${base64OfHex(sha1)}`);
  return npmEntry({ name, version, at, resolved: url, integrity });
}

/** Behind the `#` of a tarball's address is its sha1; of a repository's, the commit. */
function splitFragment(
  resolved: string | undefined,
): [url: string | undefined, fragment: string | undefined] {
  if (resolved === undefined || resolved.startsWith('git+')) return [resolved, undefined];
  const [url = '', fragment] = resolved.split('#', 2);
  return [/^(?:ssh|git):/.test(url) ? `git+${resolved}` : url, fragment];
}
