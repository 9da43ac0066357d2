import { posix } from 'node:path';
import { type Ast, isAst, lineAt, type Source, treeOf } from '../tidy/house/source.ts';

export const kinds = [
  'negated condition',
  'removed statement',
  'removed throw',
  'removed await',
  'off by one',
  'limit x 1000',
  'dropped check',
] as const;
export type Kind = (typeof kinds)[number];

/** One change of one file: `text` between two offsets becomes `with`. */
export interface Mutation {
  readonly path: string;
  readonly line: number;
  readonly kind: Kind;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly with: string;
  /** Name of a constant at the top of a module, which runs once a process: what covers its readers covers it. */
  readonly name?: string;
  /** Runs when its module is loaded, once a process. */
  readonly atLoad?: true;
  /** Name of the innermost function or method that has one. */
  readonly within?: string;
}

export const mutated = (text: string, { start, end, with: replacement }: Mutation): string =>
  text.slice(0, start) + replacement + text.slice(end);

/** The change as one line of a report. */
export function describe({ path, line, kind, text, with: replacement }: Mutation): string {
  const short = (code: string) => {
    const flat = code.replace(/\s+/g, ' ').trim();
    return flat.length > 100 ? `${flat.slice(0, 97)}...` : flat;
  };
  return `${path}:${line} ${kind}: ${short(text)} -> ${short(replacement) || '(nothing)'}`;
}

type Add = (kind: Kind, node: { start: number; end: number }, replacement: string, name?: string) => void;

/** A node on the way down, with what it lies in. */
interface Place {
  readonly node: Ast;
  readonly parent: Ast | undefined;
  readonly inFunction: boolean;
  /** The constant, or the member of a table, that is being declared. */
  readonly name: string | undefined;
  readonly text: string;
  readonly isTable: boolean;
  readonly within: string | undefined;
}

const functions = ['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'];
const turned: Readonly<Record<string, string>> = { '<': '<=', '<=': '<', '>': '>=', '>=': '>' };
/** Functions that refuse by throwing, by their names. */
const checks = /^(assert|check|ensure|expect|refuse|require|reject|verify|validate|guard|throw)/i;
const bound = /(max|min|ms|seconds|bytes|limit|per[a-z]+|count|size)$/i;

const sourceOf = ({ text }: Place, node: Ast): string => text.slice(node.start, node.end);

/** Name of the function or method that is called: `check` of `this.#policy.check(x)`. */
function calledName(node: Ast): string {
  const called = node.type === 'AwaitExpression' && isAst(node.argument) ? node.argument : node;
  if (called.type !== 'CallExpression' || !isAst(called.callee)) return '';
  const { callee } = called;
  const last = callee.type === 'MemberExpression' && isAst(callee.property) ? callee.property : callee;
  return typeof last.name === 'string' ? last.name : '';
}

/** Whether a branch does nothing but leave: a guard before what follows. */
function leaves(branch: unknown): boolean {
  if (!isAst(branch)) return false;
  if (branch.type !== 'BlockStatement')
    return ['ReturnStatement', 'ThrowStatement', 'ContinueStatement', 'BreakStatement'].includes(branch.type);
  const body = Array.isArray(branch.body) ? branch.body : [];
  return body.length > 0 && leaves(body.at(-1));
}

function ofCondition(place: Place, add: Add): void {
  const { node } = place;
  if (!['IfStatement', 'ConditionalExpression', 'WhileStatement'].includes(node.type)) return;
  if (!isAst(node.test) || node.test.type === 'Literal') return;
  add('negated condition', node.test, `!(${sourceOf(place, node.test)})`);
  const isGuard = node.type === 'IfStatement' && !isAst(node.alternate) && leaves(node.consequent);
  // A removed throw is a kind of its own.
  const throws = isAst(node.consequent) && node.consequent.type === 'ThrowStatement';
  if (isGuard && !throws) add('dropped check', node, ';');
}

function ofStatement(place: Place, add: Add): void {
  const { node } = place;
  if (node.type === 'ThrowStatement') return add('removed throw', node, ';');
  if (node.type !== 'ExpressionStatement' || !isAst(node.expression)) return;
  const { expression } = node;
  if (isAst(expression.callee) && expression.callee.type === 'Super') return;
  if (expression.type === 'Literal') return;
  add(checks.test(calledName(expression)) ? 'dropped check' : 'removed statement', node, ';');
}

function ofExpression(place: Place, add: Add): void {
  const { node } = place;
  if (node.type === 'AwaitExpression' && isAst(node.argument))
    add('removed await', { start: node.start, end: node.start + 'await'.length }, '');
  const isLogical = node.type === 'LogicalExpression' && (node.operator === '&&' || node.operator === '||');
  if (isLogical && isAst(node.left)) add('dropped check', node, `(${sourceOf(place, node.left)})`);
  if (node.type !== 'BinaryExpression' || !isAst(node.left) || !isAst(node.right)) return;
  const operator = String(node.operator);
  const to = turned[operator];
  const isOne = (operator === '+' || operator === '-') && sourceOf(place, node.right) === '1';
  // An end of parentheses may lie between the operand and the operator.
  const between = { start: node.left.end, end: isOne ? node.end : node.right.start };
  const code = place.text.slice(between.start, between.end);
  if (to !== undefined) add('off by one', between, code.replace(operator, to));
  else if (isOne) add('off by one', between, code.replace(/\s*[+-]\s*1/, ''));
}

/** A number, or a product of numbers. */
function isNumber(node: unknown): boolean {
  if (!isAst(node)) return false;
  if (node.type === 'Literal') return typeof node.value === 'number' || typeof node.bigint === 'string';
  return node.type === 'BinaryExpression' && isNumber(node.left) && isNumber(node.right);
}

function ofLimit(place: Place, add: Add): void {
  const { node, name } = place;
  const value = node.type === 'Property' ? node.value : node.type === 'VariableDeclarator' ? node.init : null;
  if (place.inFunction || name === undefined || !isAst(value) || !isNumber(value)) return;
  if (!place.isTable && !bound.test(name)) return;
  const times = /\dn\b/.test(sourceOf(place, value)) ? '1000n' : '1_000';
  add('limit x 1000', value, `(${sourceOf(place, value)}) * ${times}`, name);
}

/** The name that V8 gives to a function that is declared here. */
function functionNameIn({ node, within }: Place): string | undefined {
  const declares = [
    'FunctionDeclaration',
    'MethodDefinition',
    'VariableDeclarator',
    'Property',
    'PropertyDefinition',
  ];
  if (!declares.includes(node.type)) return within;
  const value = node.type === 'VariableDeclarator' ? node.init : node.value;
  if (node.type !== 'FunctionDeclaration' && !(isAst(value) && functions.includes(value.type))) return within;
  const named = node.id ?? node.key;
  if (!isAst(named) || typeof named.name !== 'string') return within;
  return named.type === 'PrivateIdentifier' ? `#${named.name}` : named.name;
}

/** The name that a node declares, for those below it. */
function nameIn({ node, name }: Place): string | undefined {
  const declared =
    node.type === 'VariableDeclarator' ? node.id : node.type === 'Property' ? node.key : undefined;
  return isAst(declared) && typeof declared.name === 'string' ? declared.name : name;
}

/** The mutations of a file, in the order of its text. */
export function mutationsOf(source: Source): Mutation[] {
  const { path, text } = source;
  const found: Mutation[] = [];
  const isTable = posix.basename(path) === 'limits.ts';
  const visit = (place: Place): void => {
    const { node, inFunction } = place;
    if (node.type.startsWith('TS') && !node.type.endsWith('Expression')) return;
    // An assertion between constants holds always, in this commit: no test can tell that it is gone.
    if (!inFunction && isAst(node.expression) && calledName(node.expression) === 'assert') return;
    const name = nameIn(place);
    const within = functionNameIn(place);
    const here = { ...place, name, within };
    const add: Add = (kind, { start, end }, replacement) => {
      const mutation = { path, line: lineAt(text, start), kind, start, end, text: text.slice(start, end) };
      const constant = inFunction ? {} : name === undefined ? { atLoad: true as const } : { name };
      const owner = within === undefined ? {} : { within };
      found.push({ ...mutation, with: replacement, ...constant, ...owner });
    };
    for (const operator of [ofCondition, ofStatement, ofExpression, ofLimit]) operator(here, add);
    // A field of an instance is computed by the constructor.
    const below =
      inFunction ||
      functions.includes(node.type) ||
      (node.type === 'PropertyDefinition' && node.static !== true);
    for (const key in node)
      for (const child of [node[key]].flat())
        if (isAst(child)) visit({ ...here, node: child, parent: node, inFunction: below });
  };
  const nothing = { parent: undefined, name: undefined, within: undefined };
  visit({ ...nothing, node: treeOf(source), inFunction: false, text, isTable });
  return found.sort((a, b) => a.start - b.start || kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
}
