import { invalid, type Place, quote } from './fault.ts';
import { dependencyLimits } from './limits.ts';
import { type Tree, tooDeep } from './tree.ts';

/** After white space: the quote that begins a string, a number, a word, or a mark. Marks that JSON does not have are expected nowhere. */
const token = /[ \t\n\r]*(?:(")|(-?\d[\d.eE+-]*)|(true|false|null)|([^ \t\n\r]))/y;

/** JSON with the line of each value. Refuses duplicate keys, of which tools take different ones. */
export function readJson(text: string, lock: string): Tree {
  const pattern = new RegExp(token);
  let line = 1;
  /** The first line break that is not counted. */
  let lineEnd = lineEndFrom(text, 0);
  /** The token that was read last, and its kind. */
  let now = '';
  let kind: 'text' | 'number' | 'word' | 'mark' | 'end' = 'end';

  const place = (): Place => ({ lock, line });
  const fault = (message: string): Error => invalid(place(), `not JSON: ${message}`);
  const is = (mark: string): boolean => kind === 'mark' && now === mark;

  function next(): void {
    const match = pattern.exec(text);
    if (match === null) {
      // Only white space is left.
      kind = 'end';
      now = 'the end of the file';
      return;
    }
    const [, begin, number, word, mark] = match;
    const start = pattern.lastIndex - (begin ?? number ?? word ?? mark ?? '').length;
    for (; lineEnd < start; line++) lineEnd = lineEndFrom(text, lineEnd + 1);
    if (begin !== undefined) {
      const end = endOfText(text, start);
      if (end === undefined) throw fault('a text has no end');
      pattern.lastIndex = end;
    }
    now = text.slice(start, pattern.lastIndex);
    kind =
      begin !== undefined ? 'text' : number !== undefined ? 'number' : word !== undefined ? 'word' : 'mark';
  }

  function expect(mark: string): void {
    if (!is(mark)) throw fault(`expected ${quote(mark)}, not ${quote(now)}`);
    next();
  }

  /** The value of the token at hand. A mark has none, and neither has the end. */
  function scalar(): string | number | boolean | null {
    try {
      return JSON.parse(now) as string | number | boolean | null;
    } catch {
      throw fault(`unexpected ${quote(now)}`);
    }
  }

  /** Items between two brackets, each read by `item`. */
  function each(end: string, item: () => void): void {
    next();
    for (let n = 0; !is(end); n++) {
      if (n > 0) expect(',');
      item();
    }
    next();
  }

  function value(depth: number): Tree {
    if (depth > dependencyLimits.depthMax) throw tooDeep(place());
    const tree = { line };
    if (is('{')) {
      const members = new Map<string, Tree>();
      each('}', () => {
        if (kind !== 'text') throw fault(`expected a key, not ${quote(now)}`);
        const [key, at] = [String(scalar()), line];
        if (members.has(key)) throw invalid(place(), `the key ${quote(key)} occurs twice`);
        next();
        expect(':');
        members.set(key, { ...value(depth + 1), line: at });
      });
      return { ...tree, value: members };
    }
    if (is('[')) {
      const items: Tree[] = [];
      each(']', () => items.push(value(depth + 1)));
      return { ...tree, value: items };
    }
    const found = scalar();
    next();
    return { ...tree, value: found };
  }

  next();
  const tree = value(0);
  if (kind !== 'end') throw fault(`unexpected ${quote(now)} after the end`);
  return tree;
}

function lineEndFrom(text: string, offset: number): number {
  const next = text.indexOf('\n', offset);
  return next === -1 ? Number.POSITIVE_INFINITY : next;
}

/** Behind the quote that ends the string which begins at `start`; undefined where none does. */
function endOfText(text: string, start: number): number | undefined {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
  return undefined;
}
