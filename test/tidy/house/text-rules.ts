import { homedir } from 'node:os';
import { basename } from 'node:path';
import { type Finding, isCode, lineAt, root, type Source, treeOf, walk } from './source.ts';

interface Pattern {
  pattern: RegExp;
  message: string;
}

function search(rule: string, source: Source, patterns: readonly Pattern[]): Finding[] {
  const lines = source.text.split('\n');
  return lines.flatMap((text, index) =>
    patterns
      .filter(({ pattern }) => pattern.test(text))
      .map(({ message }) => ({ rule, path: source.path, line: index + 1, message })),
  );
}

/** The rules themselves spell out what they look for. */
const isRule = (path: string) => path.startsWith('test/tidy/house/');

const markers: Pattern[] = [
  { pattern: /\b(TODO|FIXME|XXX|HACK)\b/, message: 'leftover marker: do it, or open an issue' },
  { pattern: /@ts-(ignore|nocheck)/, message: 'fix the type instead' },
  { pattern: /@ts-expect-error\s*$/, message: 'say what error is expected, and why' },
];
const testMarkers: Pattern[] = [
  { pattern: /\b(it|test|describe)\.only\(|\.only\.each\(/, message: 'only this test would run' },
  {
    pattern: /\b(it|test|describe)\.(skip|todo|fails)\b/,
    message: 'a test that does not run proves nothing',
  },
  { pattern: /\bskip\(\s*\)/, message: 'say why: skip(reason)' },
];

function anys(source: Source): Finding[] {
  if (!/\bany\b/.test(source.text)) return [];
  const found: Finding[] = [];
  const message = '`any` turns the checker off: use unknown and narrow';
  walk(treeOf(source), ({ type, start }) => {
    if (type !== 'TSAnyKeyword') return;
    found.push({ rule: 'leftovers', path: source.path, line: lineAt(source.text, start), message });
  });
  return found;
}

const bundled: Pattern[] = [
  {
    pattern: /(?<!typeof )\bimport\('(?!node:|\.)/,
    message:
      'of a CommonJS package a bundle has the default export alone then: import a module of ours that imports it',
  },
];

/** Packages are imported by name only, so that a bundled program has what the sources have. */
export function dynamicImports(source: Source): Finding[] {
  return /^(src|sandbox|bootstrap)\//.test(source.path) && isCode(source.path)
    ? search('dynamic-imports', source, bundled)
    : [];
}

/** Leftovers in code. */
export function leftovers(source: Source): Finding[] {
  if (!isCode(source.path) || isRule(source.path)) return [];
  const patterns = source.path.endsWith('.test.ts') ? [...markers, ...testMarkers] : markers;
  return [...search('leftovers', source, patterns), ...anys(source)];
}

/** The first line of a comment, of either kind. */
const riddle =
  /^[ \t]*(?:(?<!^[ \t]*\/\/.*\n[ \t]*)\/\/|\/\*\*?(?:[ \t]*\n[ \t]*\*)?) (?:Who|Whoever|Whose|What)\b/gm;

/** A comment names the thing that it is about, so that it is understood without the code below it. */
export function comments(source: Source): Finding[] {
  if (!isCode(source.path)) return [];
  const message = 'a comment that opens as a question: name the thing, as in "Signers of the log"';
  return [...source.text.matchAll(riddle)].map(({ index, 0: found }) => {
    const line = lineAt(source.text, index + found.length - 1);
    return { rule: 'comments', path: source.path, line, message };
  });
}

const linesMax = 500;

/** A file is mostly shorter than 300 lines; one idea may be longer, and beyond this there is a seam to be found. */
export function length(source: Source): Finding[] {
  if (!isCode(source.path) || !/^(src|sandbox|bootstrap|simulations)\//.test(source.path)) return [];
  const lines = source.text.split('\n').length - 1;
  if (lines <= linesMax) return [];
  return [
    { rule: 'length', path: source.path, line: linesMax, message: `${lines} lines; ${linesMax} at most` },
  ];
}

/** Code files are named in kebab-case: one spelling on every file system. */
export function fileNames(source: Source): Finding[] {
  if (!isCode(source.path)) return [];
  if (/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)+$/.test(basename(source.path))) return [];
  return [{ rule: 'file-names', path: source.path, line: 1, message: 'name it in kebab-case' }];
}

const literal = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
const ownPaths = [root, ...(homedir().split('/').length > 2 ? [homedir()] : [])];

/** The project stands anywhere: nothing in it names the place of this checkout or this person's home. */
export function machinePaths(source: Source): Finding[] {
  const pattern = new RegExp(`(${ownPaths.map(literal).join('|')})(?![\\w-])`);
  return search('machine-paths', source, [{ pattern, message: 'a path of this one machine' }]);
}

const registryHosts: Pattern = {
  pattern:
    /\b(registry\.npmjs\.(org|com)|registry\.yarnpkg\.com|npm\.jsr\.io|(deb|ftp|security|snapshot)\.debian\.org|archive\.ubuntu\.com|pypi\.org|files\.pythonhosted\.org|proxy\.golang\.org|static\.crates\.io|(docker|quay|ghcr)\.io)\b/,
  message: 'the address of a package registry: whoever runs this has their own configured',
};

/** Registries are the business of the machine's configuration. */
export function registries(source: Source): Finding[] {
  return isRule(source.path) ? [] : search('registries', source, [registryHosts]);
}
