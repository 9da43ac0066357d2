import { invalid, type Place, quote } from './fault.ts';
import { dependencyLimits } from './limits.ts';
import { type Tree, tooDeep } from './tree.ts';

/** After white space: the quote that begins a string, a number, a word, or a mark. Marks that JSON does not have are expected nowhere. */
const token = /[ \t\n\r]*(?:(")|(-?\d[\d.eE+-]*)|(true|false|null)|([^ \t\n\r]))/y;

/** JSON with the line of each value. Refuses duplicate keys, of which tools take different ones. */
export function readJson(text: string, lock: string): Tree {
  return new JsonReader(text, lock).whole();
}

class JsonReader {
  readonly #text: string;
  readonly #lock: string;
  readonly #token = new RegExp(token);
  #line = 1;
  /** The first line break that is not counted. */
  #break: number;
  /** The token that was read last, and its kind. */
  #now = '';
  #kind: 'text' | 'number' | 'word' | 'mark' | 'end' = 'end';

  constructor(text: string, lock: string) {
    this.#text = text;
    this.#lock = lock;
    this.#break = this.#breakFrom(0);
  }

  whole(): Tree {
    this.#next();
    const tree = this.#value(0);
    if (this.#kind !== 'end') throw this.#fault(`unexpected ${quote(this.#now)} after the end`);
    return tree;
  }

  get #at(): Place {
    return { lock: this.#lock, line: this.#line };
  }

  #fault(message: string): Error {
    return invalid(this.#at, `not JSON: ${message}`);
  }

  #next(): void {
    const match = this.#token.exec(this.#text);
    if (match === null) {
      // Only white space is left.
      this.#kind = 'end';
      this.#now = 'the end of the file';
      return;
    }
    const [, begin, number, word, mark] = match;
    const start = this.#token.lastIndex - (begin ?? number ?? word ?? mark ?? '').length;
    this.#countTo(start);
    if (begin !== undefined) this.#token.lastIndex = this.#endOfText(start);
    this.#now = this.#text.slice(start, this.#token.lastIndex);
    this.#kind =
      begin !== undefined ? 'text' : number !== undefined ? 'number' : word !== undefined ? 'word' : 'mark';
  }

  /** Behind the quote that ends the string which begins at `start`. */
  #endOfText(start: number): number {
    let at = start + 1;
    for (;;) {
      const end = this.#text.indexOf('"', at);
      if (end === -1) throw this.#fault('a text has no end');
      let slashes = 0;
      while (this.#text[end - 1 - slashes] === '\\') slashes++;
      at = end + 1;
      if (slashes % 2 === 0) return at;
    }
  }

  #countTo(offset: number): void {
    for (; this.#break < offset; this.#line++) this.#break = this.#breakFrom(this.#break + 1);
  }

  #breakFrom(offset: number): number {
    const next = this.#text.indexOf('\n', offset);
    return next === -1 ? Number.POSITIVE_INFINITY : next;
  }

  #is(mark: string): boolean {
    return this.#kind === 'mark' && this.#now === mark;
  }

  #expect(mark: string): void {
    if (!this.#is(mark)) throw this.#fault(`expected ${quote(mark)}, not ${quote(this.#now)}`);
    this.#next();
  }

  /** The value of the token at hand. A mark has none, and neither has the end. */
  #scalar(): string | number | boolean | null {
    try {
      return JSON.parse(this.#now) as string | number | boolean | null;
    } catch {
      throw this.#fault(`unexpected ${quote(this.#now)}`);
    }
  }

  #value(depth: number): Tree {
    if (depth > dependencyLimits.depthMax) throw tooDeep(this.#at);
    const line = this.#line;
    if (this.#is('{')) return { line, value: this.#object(depth) };
    if (this.#is('[')) return { line, value: this.#list(depth) };
    const value = this.#scalar();
    this.#next();
    return { line, value };
  }

  #object(depth: number): Map<string, Tree> {
    const found = new Map<string, Tree>();
    this.#next();
    if (this.#is('}')) {
      this.#next();
      return found;
    }
    for (;;) {
      if (this.#kind !== 'text') throw this.#fault(`expected a key, not ${quote(this.#now)}`);
      const key = String(this.#scalar());
      const line = this.#line;
      if (found.has(key)) throw invalid(this.#at, `the key ${quote(key)} occurs twice`);
      this.#next();
      this.#expect(':');
      found.set(key, { ...this.#value(depth + 1), line });
      if (this.#is('}')) break;
      this.#expect(',');
    }
    this.#next();
    return found;
  }

  #list(depth: number): Tree[] {
    const found: Tree[] = [];
    this.#next();
    if (this.#is(']')) {
      this.#next();
      return found;
    }
    for (;;) {
      found.push(this.#value(depth + 1));
      if (this.#is(']')) break;
      this.#expect(',');
    }
    this.#next();
    return found;
  }
}
