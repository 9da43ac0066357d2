import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAst } from 'vitest/node';

export const root = join(import.meta.dirname, '..', '..', '..');

/** A file of the house: its path from the root of the repository, and its text. */
export interface Source {
  path: string;
  text: string;
}

export interface Finding {
  rule: string;
  path: string;
  line: number;
  message: string;
}

/** Any node of the syntax tree (ESTree with TypeScript). */
export interface Ast {
  type: string;
  start: number;
  end: number;
  [key: string]: unknown;
}

export function isAst(value: unknown): value is Ast {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

/** Every text file git would keep: tracked ones and new ones, without what is ignored, generated or broken on purpose. */
export function houseFiles(): Source[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return listed
    .split('\0')
    .filter((path) => path !== '' && !path.includes('/fixtures/') && !path.startsWith('test/vectors/'))
    .filter((path) => existsSync(join(root, path)))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
    .filter(({ text }) => !text.includes('\0'));
}

export function isCode(path: string): boolean {
  return /\.(ts|tsx|js|mjs|cjs)$/.test(path);
}

/** One parse for all rules. */
const trees = new WeakMap<Source, Ast>();

export function treeOf(source: Source): Ast {
  const known = trees.get(source);
  if (known !== undefined) return known;
  const lang = source.path.endsWith('.tsx') ? 'tsx' : source.path.endsWith('.ts') ? 'ts' : 'js';
  const tree: unknown = parseAst(
    source.text.replace(/^#!.*/, (line) => ' '.repeat(line.length)),
    { lang },
  );
  if (!isAst(tree)) throw new Error(`${source.path} has no syntax tree`);
  trees.set(source, tree);
  return tree;
}

/** Calls `visit` for each node below and including `node`, with its parent and the parent's key that leads to it. */
export function walk(
  node: Ast,
  visit: (node: Ast, parent?: Ast, key?: string) => void,
  parent?: Ast,
  at?: string,
): void {
  visit(node, parent, at);
  for (const key in node) {
    const value = node[key];
    if (Array.isArray(value)) for (const child of value) isAst(child) && walk(child, visit, node, key);
    else if (isAst(value)) walk(value, visit, node, key);
  }
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

export interface Import {
  specifier: string;
  offset: number;
  dynamic: boolean;
  names: string[];
}

const nameOf = (node: unknown): string => (isAst(node) && typeof node.name === 'string' ? node.name : '');
export const textOf = (node: unknown): string | undefined =>
  isAst(node) && node.type === 'Literal' && typeof node.value === 'string' ? node.value : undefined;

/** Imports and re-exports of a file, types included; a dynamic import of something computed has the specifier `*`. */
export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  walk(treeOf(source), (node) => {
    const { start: offset } = node;
    if (['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration'].includes(node.type)) {
      const specifier = textOf(node.source);
      if (specifier === undefined) return;
      const specifiers = Array.isArray(node.specifiers) ? node.specifiers.filter(isAst) : [];
      const names = specifiers.map((one) => nameOf(one.imported ?? one.local));
      found.push({ specifier, offset, dynamic: false, names });
    } else if (node.type === 'ImportExpression') {
      found.push({ specifier: textOf(node.source) ?? '*', offset, dynamic: true, names: [] });
    } else if (node.type === 'TSImportType') {
      const specifier = textOf(node.source) ?? textOf(node.argument);
      if (specifier !== undefined) found.push({ specifier, offset, dynamic: false, names: [] });
    }
  });
  return found;
}

/** Names used as variables or types: not property names, labels, or names of members. */
export function variablesOf(source: Source): { name: string; offset: number }[] {
  const found: { name: string; offset: number }[] = [];
  walk(treeOf(source), (node, parent, key) => {
    if (node.type !== 'Identifier' || typeof node.name !== 'string') return;
    const isMember = parent?.type === 'MemberExpression' && key === 'property' && parent.computed !== true;
    const isKey = key === 'key' && parent?.computed !== true && parent?.shorthand !== true;
    const isForeign = key === 'imported' || key === 'exported' || parent?.type === 'TSQualifiedName';
    const isLabel = key === 'label' || key === 'parameterName';
    if (!isMember && !isKey && !isForeign && !isLabel) found.push({ name: node.name, offset: node.start });
  });
  return found;
}

/** `object.property` as it is written, where the object is a plain name. */
export function membersOf(source: Source): { object: string; property: string; offset: number }[] {
  const found: { object: string; property: string; offset: number }[] = [];
  walk(treeOf(source), (node) => {
    if (node.type !== 'MemberExpression') return;
    const property = node.computed === true ? textOf(node.property) : nameOf(node.property);
    found.push({ object: nameOf(node.object), property: property ?? '', offset: node.start });
  });
  return found;
}
