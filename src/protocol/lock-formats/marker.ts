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

/** Whether a Python marker (PEP 508) can hold on Linux of this architecture, whatever Python an image has. */
export function markerHolds(text: string, arch: Arch, at: Place): boolean {
  const parser = new Marker(wordsOf(text, at), arch, at);
  return parser.whole();
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

/** Whether it can hold: a comparison with something that is not known here, such as the version of Python, can. No operator negates. */
class Marker {
  readonly #words: readonly Word[];
  readonly #known: ReadonlyMap<string, string>;
  readonly #at: Place;
  #next = 0;

  constructor(words: readonly Word[], arch: Arch, at: Place) {
    this.#words = words;
    this.#at = at;
    this.#known = new Map([
      ['sys_platform', 'linux'],
      ['platform_system', 'Linux'],
      ['os_name', 'posix'],
      ['platform_machine', arch],
    ]);
  }

  whole(): boolean {
    const truth = this.#or();
    if (this.#next < this.#words.length) throw this.#fault();
    return truth;
  }

  #fault(): Error {
    return invalid(this.#at, 'the marker of a requirement is not complete');
  }

  #takes(text: string): boolean {
    const word = this.#words[this.#next];
    if (word === undefined || word.kind === 'text' || word.text !== text) return false;
    this.#next++;
    return true;
  }

  #or(): boolean {
    let truth = this.#and();
    while (this.#takes('or')) truth = this.#and() || truth;
    return truth;
  }

  #and(): boolean {
    let truth = this.#single();
    while (this.#takes('and')) truth = this.#single() && truth;
    return truth;
  }

  #single(): boolean {
    if (!this.#takes('(')) return this.#comparison();
    const truth = this.#or();
    if (!this.#takes(')')) throw this.#fault();
    return truth;
  }

  #comparison(): boolean {
    const [left = none, operator = none, right = none] = this.#words.slice(this.#next, this.#next + 3);
    this.#next += 3;
    const isOperator = operator.kind === 'operator' || operator.text === 'in' || operator.text === 'not in';
    const names = [left, right].filter(({ kind }) => kind === 'name');
    const texts = [left, right].filter(({ kind }) => kind === 'text');
    if (!isOperator || names.length + texts.length !== 2 || names.length === 0) throw this.#fault();
    const values = [left, right].map(({ kind, text }) => (kind === 'name' ? this.#known.get(text) : text));
    const [a, b] = values;
    if (a === undefined || b === undefined) return true;
    if (operator.text === '==' || operator.text === '===') return a === b;
    if (operator.text === '!=') return a !== b;
    if (operator.text === 'in') return b.includes(a);
    return operator.text !== 'not in' || !b.includes(a);
  }
}
