import { posix } from 'node:path';
import { folderOf, importable } from './arrows.ts';
import {
  type Ast,
  type Finding,
  isAst,
  isCode,
  lineAt,
  type Source,
  textOf,
  treeOf,
  walk,
} from './source.ts';

const kept = /^(src|sandbox|bootstrap)\//;
const form = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/;

/** A use of an error code. */
export interface CodeUse {
  code: string;
  path: string;
  offset: number;
}

/** The text literals an expression may come to: both arms of a condition, both sides of `??`. */
function literals(node: unknown): { text: string; offset: number }[] {
  if (!isAst(node)) return [];
  const text = textOf(node);
  if (text !== undefined) return [{ text, offset: node.start }];
  if (node.type === 'ConditionalExpression')
    return [...literals(node.consequent), ...literals(node.alternate)];
  if (node.type === 'LogicalExpression') return [...literals(node.left), ...literals(node.right)];
  return node.type.startsWith('TS') ? literals(node.expression) : [];
}

/**
 * Codes a file raises: the first argument of a call (`new QuorateError(…)` or a helper), a `code:` of an
 * object, or a variable `code`.
 */
function codesIn(source: Source): CodeUse[] {
  if (!isCode(source.path) || !kept.test(source.path)) return [];
  const found: CodeUse[] = [];
  const add = (node: unknown) => {
    for (const { text, offset } of literals(node))
      if (form.test(text)) found.push({ code: text, path: source.path, offset });
  };
  walk(treeOf(source), (node: Ast) => {
    if ((node.type === 'NewExpression' || node.type === 'CallExpression') && Array.isArray(node.arguments)) {
      add(node.arguments[0]);
    } else if (node.type === 'Property' && isAst(node.key) && node.key.name === 'code') {
      add(node.value);
    } else if (node.type === 'VariableDeclarator' && isAst(node.id) && node.id.name === 'code') {
      add(node.init);
    }
  });
  return found;
}

/** Codes that a folder's `error-codes.ts` declares. */
export interface Declared {
  code: string;
  meaning: string;
  folder: string;
  path: string;
  line: number;
}

/** The tables of all folders. */
export function declaredCodes(sources: readonly Source[]): Declared[] {
  const declared: Declared[] = [];
  for (const source of sources) {
    const { path, text } = source;
    if (!kept.test(path) || posix.basename(path) !== 'error-codes.ts') continue;
    walk(treeOf(source), (node: Ast) => {
      if (node.type !== 'Property' || !isAst(node.key)) return;
      const meaning = textOf(node.value) ?? '';
      const code = String(node.key.name);
      declared.push({ code, meaning, folder: folderOf(path), path, line: lineAt(text, node.start) });
    });
  }
  return declared.sort((a, b) => (a.code < b.code ? -1 : 1));
}

const intro = `# Errors

Every error has a code, a message that says what was wrong with which input,
and most have a hint that says what to do. Which codes are kept is in [versions.md](../../docs/versions.md). This page is made from the
\`error-codes.ts\` of each folder.

| Code | What it means, and what to do |
|---|---|
`;

/** errors.md, which the build makes. */
export function errorsPageOf(declared: readonly Declared[]): string {
  const rows = declared.map(({ code, meaning }) => `| \`${code}\` | ${meaning.replaceAll('|', '\\|')} |\n`);
  return intro + rows.join('');
}

/**
 * Each code that a folder raises is declared there or in a folder that it may import, with words; each declared code is
 * raised.
 */
export function errorCodes(sources: readonly Source[]): Finding[] {
  const declared = declaredCodes(sources);
  const uses = sources.flatMap((source) => codesIn(source).map((use) => ({ ...use, text: source.text })));
  const raised = new Set(uses.map(({ code }) => code));
  const finding = (path: string, line: number, message: string): Finding => ({
    rule: 'error-codes',
    path,
    line,
    message,
  });
  const known = new Map(declared.map((one) => [one.code, one]));
  const missing = uses.flatMap(({ code, path, offset, text }) => {
    const folder = folderOf(path);
    const there = known.get(code)?.folder;
    if (there !== undefined && (there === folder || importable(folder)?.includes(there))) return [];
    const message = `${code} is not declared in ${folder}/error-codes.ts, nor in a folder below`;
    return [finding(path, lineAt(text, offset), message)];
  });
  const wrong = declared.flatMap(({ code, meaning, path, line }) => [
    ...(raised.has(code) ? [] : [finding(path, line, `nothing raises ${code}`)]),
    ...(meaning.length > 10 ? [] : [finding(path, line, `${code} is not explained`)]),
    ...(known.get(code)?.path === path ? [] : [finding(path, line, `${code} is declared twice`)]),
  ]);
  return [...missing, ...wrong];
}
