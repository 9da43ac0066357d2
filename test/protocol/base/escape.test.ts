import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  escapeColouredLine,
  escapeLine,
  escapeValue,
  jsonLine,
  jsonPage,
  LineEscaper,
  piecesWithoutColours,
  printable,
  withoutColours,
} from '../../../src/protocol/base/escape.ts';
import { anyCharacter } from '../../support/any-character.ts';

describe('escapeLine', () => {
  it.each([
    ['plain text\twith a tab', 'plain text\twith a tab'],
    ['\u001b[31mred\u001b[0m and \u001b[1;38;5;9mbold\u001b[m', 'red and bold'],
    ['\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
    ['\u001b[2Jgone', '\\x1b[2Jgone'],
    ['\u009b2J', '\\x9b2J'],
    ['user\u202egnp.exe', 'user\\u202egnp.exe'],
    ['a\u200bb\ufeff', 'a\\u200bb\\ufeff'],
    // Letters of no width, and selectors that select nothing: the name of a branch would look like another one.
    ['main\u3164', 'main\\u3164'],
    ['m\u034fain\u{e0100}', 'm\\u034fain\\u{e0100}'],
    ['\u206amain\uffa0', '\\u206amain\\uffa0'],
    ['⚠\ufe0f', '⚠\ufe0f'],
    ['\u{e0041}', '\\u{e0041}'],
    ['lone \ud83d half', 'lone \\ud83d half'],
    ['naïve 😀 日本', 'naïve 😀 日本'],
    ['two\nlines', 'two\\x0alines'],
  ])('%j', (text, safe) => expect(escapeLine(text)).toBe(safe));

  it('cuts what is too long and shows it', () => {
    expect([escapeLine('abcdef', 3), escapeLine('abc', 3)]).toEqual(['abc … (cut)', 'abc']);
  });

  it('lets no control character through, whatever comes', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        expect(escapeLine(text)).not.toMatch(/[^\P{Cc}\t]|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
  });
});

describe('printable', () => {
  it('shows names of up to 200 characters whole', () => {
    expect(printable('a'.repeat(200))).toBe(`"${'a'.repeat(200)}"`);
    expect(printable('a'.repeat(201))).toBe(`"${'a'.repeat(200)}…"`);
  });
});

describe('jsonLine', () => {
  it('lets no control character through, and is read as the same value', () => {
    expect(jsonLine({ 'a\u009b2J': ['\u202e', '\u{e0041}', 'é 😀'] })).toBe(
      '{"a\\u009b2J":["\\u202e","\\udb40\\udc41","é 😀"]}',
    );
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), (text) => {
        const line = jsonLine([text]);
        expect(line).not.toMatch(/\p{Cc}|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
        expect(JSON.parse(line)).toEqual([text]);
      }),
    );
  });
});

describe('jsonPage', () => {
  it('keeps its own line breaks, and escapes what is in the values', () => {
    const value = { a: 'two\nlines\u009b', b: [1] };
    expect(jsonPage(value)).toBe('{\n  "a": "two\\nlines\\u009b",\n  "b": [\n    1\n  ]\n}\n');
    expect(JSON.parse(jsonPage(value))).toEqual(value);
  });
});

describe('LineEscaper', () => {
  const split = (chunks: string[], max?: number) => {
    const lines = new LineEscaper(max);
    return [...chunks.flatMap((chunk) => lines.push(chunk)), ...lines.end()];
  };

  it.each<[string, string[], string[]]>([
    ['joins chunks', ['on', 'e\ntw', 'o\n'], ['one', 'two']],
    ['keeps empty lines', ['a\n\nb'], ['a', '', 'b']],
    ['takes CRLF over two chunks as one end', ['a\r', '\nb\n'], ['a', 'b']],
    ['shows what a carriage return would cover', ['rm -rf /\rharmless\n'], ['rm -rf /', 'harmless']],
    ['ends without a line break', ['a\r'], ['a']],
  ])('%s', (_, chunks, expected) => expect(split(chunks)).toEqual(expected));

  it('cuts an endless line once and goes on after it', () => {
    expect(split(['aaaaaa', 'aaaa', 'aaa\r', 'next\nlast'], 4)).toEqual(['aaaa … (cut)', 'next', 'last']);
  });

  it('waits for the end of a line that may be as long as is shown', () => {
    const lines = new LineEscaper(4);
    expect([lines.push('aaaa\r'), lines.push('\n'), lines.push('bbbbb')]).toEqual([[], ['aaaa'], []]);
    expect([lines.push('b'), lines.push('c\r'), lines.push('\nd\n')]).toEqual([['bbbb … (cut)'], [], ['d']]);
  });

  it('gives the same lines however the text is cut into chunks', () => {
    const pieces = fc.array(fc.constantFrom('a', 'bc', '\n', '\r', '\r\n', '\u001b[1m', 'ddddddddd'));
    fc.assert(
      fc.property(pieces, (parts) => {
        expect(split(parts, 8)).toEqual(split([parts.join('')], 8));
      }),
    );
  });
});

describe('LineEscaper.pushText', () => {
  const parts = fc.constantFrom(
    ...['a', 'bc', '\n', '\n\n', '\r', '\r\n', 'ddddddddd', 'ä', '😀', '\t', '\u0007', '\ufeff', '\ud83d'],
    ...['\u001b[1m', '\u001b[31;8m', '\u001b[38;5;9m', '\u001b[m', '\u001b[8m', '\u001b[', '\u001b'],
  );

  it.each([false, true])('gives the lines of push as a text, colours: %s', (colours) => {
    fc.assert(
      fc.property(fc.array(fc.array(parts, { maxLength: 60 }), { maxLength: 6 }), (chunks) => {
        const [lines, text] = [new LineEscaper(8, { colours }), new LineEscaper(8, { colours })];
        let found = '';
        for (const chunk of chunks.map((some) => some.join(''))) {
          const expected = lines.push(chunk).map((line) => `${line}\n`);
          expect(text.pushText(chunk)).toBe(expected.join(''));
          found += expected.join('');
        }
        const rest = lines.end().map((line) => `${line}\n`);
        expect(text.endText()).toBe(rest.join(''));
        for (const character of ['\u0007', '\ufeff', '\r']) expect(found).not.toContain(character);
      }),
      { numRuns: 2_000 },
    );
  });

  it('does not handle lines one by one that it leaves as they are', () => {
    const line = 'an ordinary \u001b[32mline\u001b[0m of a log\n';
    const took = (take: (lines: LineEscaper, chunk: string) => unknown) => {
      const lines = new LineEscaper(undefined, { colours: true });
      const began = process.cpuUsage();
      for (let n = 0; n < 20; n += 1) take(lines, line.repeat(2_000));
      const { user, system } = process.cpuUsage(began);
      return user + system;
    };
    took((lines, chunk) => lines.pushText(chunk));
    const apart = took((lines, chunk) => lines.push(chunk));
    expect(took((lines, chunk) => lines.pushText(chunk))).toBeLessThan(apart / 2);
  });
});

describe('escapeColouredLine', () => {
  it.each([
    ['\u001b[31mred\u001b[0m', '\u001b[31mred\u001b[0m'],
    ['\u001b[1;38;5;196mred\u001b[m', '\u001b[1m\u001b[38;5;196mred\u001b[m'],
    ['\u001b[38;2;1;2;3mtrue', '\u001b[38;2;1;2;3mtrue'],
    // It would hide, blink, or be shown otherwise than it is.
    ['\u001b[8mhidden\u001b[28m', 'hidden'],
    ['\u001b[5;31mblinks', '\u001b[31mblinks'],
    ['\u001b[2Jcleared', '\\x1b[2Jcleared'],
    ['\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
    ['\u202egnp', '\\u202egnp'],
    ['\u001b[31', '\\x1b[31'],
  ])('%j is %j', (line, shown) => expect(escapeColouredLine(line)).toBe(shown));

  it('cuts what is too long and shows it', () => {
    expect(escapeColouredLine('abc', 3)).toBe('abc');
    expect(escapeColouredLine('\u001b[1mabcdef', 6)).toBe('\u001b[1mab … (cut)');
  });

  it('gives no empty pieces', async () => {
    const found: string[] = [];
    async function* pieces() {
      yield* ['a\u001b', '[1m', '\u001b', 'b', '\u001b['];
    }
    for await (const piece of piecesWithoutColours(pieces())) found.push(piece);
    expect(found).toEqual(['a', '', '\u001bb', '\u001b[']);
  });

  it('without its colours is what escapeLine makes, however the text is cut into pieces', async () => {
    const parts = fc.constantFrom('a', '\u001b[31m', '\u001b[8m', '\u001b[', '5;1', 'm', '\u001b', '\u0007');
    await fc.assert(
      fc.asyncProperty(
        fc.array(parts, { maxLength: 12 }),
        fc.integer({ min: 1, max: 5 }),
        async (all, size) => {
          const line = all.join('');
          const coloured = escapeColouredLine(line);
          expect(withoutColours(coloured)).toBe(escapeLine(line));
          async function* pieces() {
            for (let at = 0; at < coloured.length; at += size) yield coloured.slice(at, at + size);
          }
          let plain = '';
          for await (const piece of piecesWithoutColours(pieces())) plain += piece;
          expect(plain).toBe(escapeLine(line));
        },
      ),
    );
  });
});

describe('escapeValue', () => {
  it('makes every text of a value harmless, and leaves the rest as it is', () => {
    const value = { kind: 'x\u001b[2J', n: 1, list: ['\u009b', null, { 'k\u0007': true }] };
    expect(escapeValue(value)).toEqual({
      kind: 'x\\x1b[2J',
      n: 1,
      list: ['\\x9b', null, { 'k\\x07': true }],
    });
  });

  it('ends where a value never ends', () => {
    let deep: unknown = 'end';
    for (let n = 0; n < 100_000; n++) deep = [deep];
    expect(JSON.stringify(escapeValue(deep))).toBe('[[[[[[[[null]]]]]]]]');
    let keyed: unknown = 'end';
    for (let n = 0; n < 9; n++) keyed = { a: keyed };
    expect(JSON.stringify(escapeValue(keyed))).toBe(`${'{"a":'.repeat(8)}null${'}'.repeat(8)}`);
  });
});
