import { invalid, type Place, quote } from './fault.ts';
import type { Arch } from './platform.ts';

/** One word of a marker: a text, a name, an operator or a bracket. */
const token =
  /[ \t]*(?:'([^']*)'|"([^"]*)"|(and|or|not[ \t]+in|in)\b|([a-z_.]+)|(===|[<>=!~]=|[<>])|([()]))/y;
/** Bounds the nesting too. */
const tokensMax = 1_000;

type Word = { kind: 'text' | 'name' | 'word' | 'operator' | 'bracket'; text: string };
/** Behind the last word: compares with nothing. */
const none: Word = { kind: 'bracket', text: '' };

/**
 * Whether a Python marker (PEP 508) can hold on Linux of this architecture, whatever Python an image has: a comparison with something that
 * is not known here, such as the version of Python, can. No operator negates.
 */
export function markerHolds(text: string, arch: Arch, at: Place): boolean {
  const words = wordsOf(text, at);
  const known = new Map([
    ['sys_platform', 'linux'],
    ['platform_system', 'Linux'],
    ['os_name', 'posix'],
    ['platform_machine', arch],
  ]);
  let next = 0;
  const fault = (): Error => invalid(at, 'the marker of a requirement is not complete');

  function takes(mark: string): boolean {
    const word = words[next];
    if (word === undefined || word.kind === 'text' || word.text !== mark) return false;
    next++;
    return true;
  }

  function or(): boolean {
    let truth = and();
    while (takes('or')) truth = and() || truth;
    return truth;
  }

  function and(): boolean {
    let truth = single();
    while (takes('and')) truth = single() && truth;
    return truth;
  }

  function single(): boolean {
    if (!takes('(')) return comparison();
    const truth = or();
    if (!takes(')')) throw fault();
    return truth;
  }

  function comparison(): boolean {
    const [left = none, operator = none, right = none] = words.slice(next, next + 3);
    next += 3;
    const isOperator = operator.kind === 'operator' || operator.text === 'in' || operator.text === 'not in';
    const names = [left, right].filter(({ kind }) => kind === 'name');
    const texts = [left, right].filter(({ kind }) => kind === 'text');
    if (!isOperator || names.length + texts.length !== 2 || names.length === 0) throw fault();
    const [a, b] = [left, right].map((word) => (word.kind === 'name' ? known.get(word.text) : word.text));
    if (a === undefined || b === undefined) return true;
    if (operator.text === '==' || operator.text === '===') return a === b;
    if (operator.text === '!=') return a !== b;
    if (operator.text === 'in') return b.includes(a);
    return operator.text !== 'not in' || !b.includes(a);
  }

  const truth = or();
  if (next < words.length) throw fault();
  return truth;
}

function wordsOf(text: string, at: Place): Word[] {
  const words: Word[] = [];
  const pattern = new RegExp(token);
  const end = text.trimEnd().length;
  while (pattern.lastIndex < end) {
    const match = pattern.exec(text);
    if (match === null || words.length === tokensMax) throw invalid(at, `${quote(text)} is not a marker`);
    const [, single, double, word, name, operator, bracket] = match;
    const quoted = single ?? double;
    if (quoted !== undefined) words.push({ kind: 'text', text: quoted });
    else if (word !== undefined) words.push({ kind: 'word', text: word.replace(/[ \t]+/, ' ') });
    else if (name !== undefined) words.push({ kind: 'name', text: name });
    else if (operator !== undefined) words.push({ kind: 'operator', text: operator });
    else words.push({ kind: 'bracket', text: bracket ?? '' });
  }
  return words;
}
