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

export const errorsPage = 'docs/errors.md';
const kept = /^(src|sandbox|bootstrap)\//;
const form = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/;

/** A use of an error code: the code, where, and the message and hint beside it as far as they are written out. */
export interface CodeUse {
  code: string;
  path: string;
  offset: number;
  message: string;
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

function messageIn(node: unknown): string {
  if (!isAst(node)) return '';
  if (node.type !== 'TemplateLiteral' || !Array.isArray(node.quasis)) return textOf(node) ?? '';
  return node.quasis
    .filter(isAst)
    .map(({ value }) =>
      typeof value === 'object' && value !== null && 'cooked' in value ? String(value.cooked) : '',
    )
    .join('…');
}

/** `{ hint: '…' }` among the arguments. */
function hintIn(node: unknown): string {
  if (!isAst(node) || !Array.isArray(node.properties)) return '';
  const hint = node.properties.filter(isAst).find(({ key }) => isAst(key) && key.name === 'hint');
  return messageIn(hint?.value);
}

/**
 * Codes a file raises: the first argument of a call (`new QuorateError(…)` or a helper), a `code:` of an
 * object, or a variable `code`.
 */
export function codesIn(source: Source): CodeUse[] {
  if (!isCode(source.path) || !kept.test(source.path)) return [];
  const found: CodeUse[] = [];
  const add = (node: unknown, message: string) => {
    for (const { text, offset } of literals(node)) {
      if (form.test(text)) found.push({ code: text, path: source.path, offset, message });
    }
  };
  walk(treeOf(source), (node: Ast) => {
    if ((node.type === 'NewExpression' || node.type === 'CallExpression') && Array.isArray(node.arguments)) {
      const [code, ...rest] = node.arguments;
      const message = rest.map(messageIn).find((text) => text !== '');
      const hint = rest.map(hintIn).find((text) => text !== '');
      add(code, [message, hint].filter((text) => text !== undefined).join('. '));
    } else if (node.type === 'Property' && isAst(node.key) && node.key.name === 'code') {
      add(node.value, '');
    } else if (node.type === 'VariableDeclarator' && isAst(node.id) && node.id.name === 'code') {
      add(node.init, '');
    }
  });
  return found;
}

/** Code → its meaning, from the table of the page. */
export function documentedCodes(page: string): Map<string, { meaning: string; line: number }> {
  const rows = page.split('\n').flatMap((text, index): [string, { meaning: string; line: number }][] => {
    const [, code, meaning = ''] = /^\| `([A-Z0-9_]+)` \|(.*)\|\s*$/.exec(text) ?? [];
    return code === undefined ? [] : [[code, { meaning: meaning.trim(), line: index + 1 }]];
  });
  return new Map(rows);
}

/** Every code that is raised is explained, and every code explained is raised. */
export function errorCodes(sources: readonly Source[]): Finding[] {
  const page = sources.find(({ path }) => path === errorsPage);
  const documented = documentedCodes(page?.text ?? '');
  const uses = sources.flatMap((source) => codesIn(source).map((use) => ({ ...use, text: source.text })));
  const raised = new Set(uses.map(({ code }) => code));
  const missing = uses
    .filter(({ code }) => !documented.has(code))
    .map(({ code, path, offset, text }) => ({
      rule: 'error-codes',
      path,
      line: lineAt(text, offset),
      message: `${code} is not in ${errorsPage}: node scripts/error-codes.ts --write, then explain it`,
    }));
  const stale = [...documented]
    .filter(([code, { meaning }]) => !raised.has(code) || meaning === '')
    .map(([code, { line, meaning }]) => ({
      rule: 'error-codes',
      path: errorsPage,
      line,
      message: meaning === '' ? `${code} is not explained` : `nothing raises ${code} any more`,
    }));
  return [...missing, ...stale];
}
