import { homedir } from 'node:os';
import { basename } from 'node:path';
import {
  type Ast,
  type Finding,
  isAst,
  isCode,
  lineAt,
  root,
  type Source,
  textOf,
  treeOf,
  walk,
} from './source.ts';

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
  {
    pattern: /\b(?:(?:Async)?DisposableStack|SuppressedError|mkdtempDisposable|using \w+ =)(?!\w)/,
    message: 'Node 22, on which programs run too, has none',
  },
];

/** Packages are imported by name only, and nothing is younger than Node 22: a bundled program has what the sources have. */
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

const opening = '(?:What|Who|Whoever|Whatever|Whose|Nobody|Nothing|None|All that)\\b';
const asComment = new RegExp(`^${opening}`);
const asTitle = new RegExp(`^${opening}`, 'i');

const isC = (path: string) => /\.[ch]$/.test(path);

/** Text of a line that is a comment or part of one. */
const commented = /^[ \t]*(?:\{?\/\*\*?|\*(?!\/)|\/\/)[ \t]*(.*?)[ \t]*(?:\*\/.*)?$/;

/** Lines of comments that open a sentence with one of these words. */
function openings({ text }: Source): number[] {
  const found: number[] = [];
  let before: string | undefined;
  text.split('\n').forEach((line, index) => {
    const body = commented.exec(line)?.[1];
    const begins = before === undefined || /(?:^|[.:!?])$/.test(before) || line.includes('/*');
    if (body !== undefined && begins && asComment.test(body)) found.push(index + 1);
    before = line.includes('*/') ? undefined : body;
  });
  return found;
}

/** A comment names its subject, so that it is understood without the code below it. */
export function comments(source: Source): Finding[] {
  if (!isCode(source.path) && !isC(source.path)) return [];
  const message = 'a comment that opens with a pronoun: name the thing, as in "Signers of the log"';
  return openings(source).map((line) => ({ rule: 'comments', path: source.path, line, message }));
}

/** `it`, `it.each(rows)` and `it.skipIf(condition)` have the name `it`. */
function calledName(callee: unknown): string | undefined {
  if (!isAst(callee)) return undefined;
  if (callee.type === 'Identifier') return String(callee.name);
  return calledName(callee.type === 'MemberExpression' ? callee.object : (callee.callee ?? callee.tag));
}

/** Start of a text: of a literal, a template, or a sum of them. */
function startOf(node: unknown): string | undefined {
  if (!isAst(node)) return undefined;
  if (node.type === 'BinaryExpression') return startOf(node.left);
  if (node.type !== 'TemplateLiteral') return textOf(node);
  const [first] = node.quasis as { value: { raw: string } }[];
  return first?.value.raw;
}

/** A title of a test says in its first words which thing does something. */
export function titles(source: Source): Finding[] {
  if (!isCode(source.path) || !/\b(?:it|test|describe)\b/.test(source.text)) return [];
  const found: Finding[] = [];
  const message = 'a title that opens with a pronoun: subject, verb, object';
  walk(treeOf(source), (node) => {
    if (node.type !== 'CallExpression' || !/^(?:it|test|describe)$/.test(calledName(node.callee) ?? ''))
      return;
    const [title] = node.arguments as Ast[];
    if (title === undefined || !asTitle.test(startOf(title) ?? '')) return;
    found.push({ rule: 'titles', path: source.path, line: lineAt(source.text, title.start), message });
  });
  return found;
}

/** Properties stand in their object, where the compiler refuses unknown ones: it does not in an object that is spread. */
export function packing(source: Source): Finding[] {
  if (!isCode(source.path) || !/\.\.\.\(*\{/.test(source.text)) return [];
  const found: Finding[] = [];
  const message = 'an object literal spread into another: write its properties out';
  walk(treeOf(source), ({ type, argument, start }, parent) => {
    if (type !== 'SpreadElement' || parent?.type !== 'ObjectExpression') return;
    if (!isAst(argument) || argument.type !== 'ObjectExpression') return;
    found.push({ rule: 'packing', path: source.path, line: lineAt(source.text, start), message });
  });
  return found;
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
