import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bounds, compareFiles, differenceOf, fileOf, type Shown, sentenceOf } from './diff-bytes.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const whole = { aWhole: true, bWhole: true };
const by = ['alice', 'bob'] as const;

function shown(a: string | Uint8Array, b: string | Uint8Array): Shown {
  const [left, right] = [a, b].map((one) => (typeof one === 'string' ? bytesOf(one) : one));
  const found = differenceOf(left as Uint8Array, right as Uint8Array, whole);
  if (found === undefined) throw new Error('they do not differ');
  return found;
}

const told = (a: string | Uint8Array, b: string | Uint8Array): string => sentenceOf(shown(a, b), 'f', by);

/** The line that differs of each side. */
const marked = (a: string, b: string) => {
  const { sides, line } = shown(a, b);
  return sides.map(({ lines }) => {
    const { before, mark, after } = lines?.find(({ n }) => n === line) ?? {};
    return [before, mark, after];
  });
};

describe('the first difference of two texts', () => {
  it.each<[a: string, b: string, says: string]>([
    ['a\nb\nc\n', 'a\nx\nc\n', '“f”, line 2, column 1: alice built “b”; bob built “x”.'],
    ['one\n', 'one, too\n', '“f”, line 1, column 4: alice built “one\\n”; bob built “one, too”.'],
    ['a\nb', 'a\nb\n', '“f”, line 2, column 2: that of alice ends there; bob built “b\\n”.'],
    ['a\n', 'a\nb\n', '“f”, line 2, column 1: that of alice ends there; bob built “b”.'],
    ['', 'x', '“f”, line 1, column 1: that of alice ends there; bob built “x”.'],
    ['a\r\n', 'a\n', '“f”, line 1, column 2: alice built “a\\r” (U+000D); bob built “a\\n” (U+000A).'],
    [
      'paypal',
      'p\u0430ypal',
      '“f”, line 1, column 2: alice built “paypal” (U+0061); bob built “p\u0430ypal” (U+0430).',
    ],
    ['\\x1b', '\u001b', '“f”, line 1, column 1: alice built “\\x1b” (U+005C); bob built “\\x1b” (U+001B).'],
    ['a\n', 'a\\n', '“f”, line 1, column 2: alice built “a\\n” (U+000A); bob built “a\\n” (U+005C).'],
    ['\ufeffa', 'a', '“f”, line 1, column 1: alice built “\\u{feff}a” (U+FEFF); bob built “a” (U+0061).'],
    ['a\tb', 'a    b', '“f”, line 1, column 2: alice built “a\\tb” (U+0009); bob built “a    b” (U+0020).'],
    [
      '\u{1f600}',
      '\u{1f601}',
      '“f”, line 1, column 1: alice built “\u{1f600}” (U+1F600); bob built “\u{1f601}” (U+1F601).',
    ],
  ])('%j, %j', (a, b, says) => {
    expect(told(a, b)).toBe(says);
  });

  it('marks what differs in the line, without the end that both share', () => {
    expect(marked('let x = 1;\n', 'let x = 22;\n')).toEqual([
      ['let x = ', '1', ';'],
      ['let x = ', '22', ';'],
    ]);
    expect(marked('a b', 'a  b')).toEqual([
      ['a ', '', 'b'],
      ['a ', '·', 'b'],
    ]);
    // The second halves of both characters are the same.
    expect(marked('x\u{10400}', 'x\u{10800}')).toEqual([
      ['x', '\u{10400}', ''],
      ['x', '\u{10800}', ''],
    ]);
  });

  it('has three lines before and after, and says which of these differ', () => {
    const of = (five: string, seven: string) => `1\n2\n3\n4\n${five}\n6\n${seven}\n8\n9\n`;
    const { sides, line } = shown(of('5', '7'), of('five', 'seven'));
    expect(line).toBe(5);
    expect(sides.map(({ lines }) => lines?.map(({ n, differs }) => `${n}${differs ? '!' : ''}`))).toEqual(
      Array(2).fill(['2', '3', '4', '5!', '6', '7!', '8']),
    );
  });

  it('is told so that nothing in it ends its quotes', () => {
    const text = 'x”; bob built “y';
    expect(sentenceOf(shown(text, 'z'), text, by)).toBe(
      '“x\\u{201d}; bob built \\u{201c}y”, line 1, column 1: alice built “x\\u{201d}; bob built \\u{201c}y”; bob built “z”.',
    );
  });

  it('says that a line after it differs, also where it is too long to be shown', () => {
    const of = (end: string) => `a${end}\n${'x'.repeat(500)}${end}\nsame\n`;
    expect(shown(of('1'), of('2')).sides[0].lines?.map(({ differs }) => differs)).toEqual([
      true,
      true,
      undefined,
    ]);
  });

  it('cuts a long line around the difference', () => {
    const of = (middle: string) => `${'x'.repeat(1_000_000)}${middle}${'y'.repeat(1_000_000)}`;
    const [[before = '', mark, after = ''] = []] = marked(of('1'), of('2'));
    expect([before.length, mark, after.length]).toEqual([61, '1', 100]);
    expect([before.startsWith('…x'), after.endsWith('y…')]).toEqual([true, true]);
    expect(told(of('1'), of('2')).length).toBeLessThan(300);
  });

  it('shows what is hidden, and nothing turns the order', () => {
    const text = 'a\u202eb\u200bc\u00a0d';
    const [[, mark]] = marked(`${text}\u3164\ufe0f!`, '-') as [string[]];
    expect(mark).toBe('a\\u{202e}b\\u{200b}c\\xa0d\\u{3164}\\u{fe0f}!');
    expect(marked(`e${'\u0301'.repeat(9)}`, 'x')[0]?.[1]).toMatch(/^e\u0301\u0301(?:\\u\{301\}){7}$/);
    expect(marked('e\u0301', 'e\u0300')[0]?.[1]).toBe('\\u{301}');
  });

  it('tells a file whose last line has no line break', () => {
    expect(shown('a\nb', 'a\nc\n').sides.map(({ lines }) => lines?.at(-1)?.end)).toEqual([
      'no line break',
      undefined,
    ]);
  });
});

describe('the first difference of bytes', () => {
  it('is shown where one of the files is no text', () => {
    const a = Uint8Array.of(...Array(40).keys());
    const b = a.with(21, 255);
    const { kind, offset, sides } = shown(a, b);
    expect([kind, offset, sides[0].rows?.map((row) => row.offset)]).toEqual([
      'bytes',
      21,
      [0, 8, 16, 24, 32],
    ]);
    expect(sides[1].rows?.[2]?.cells.map(({ differs }) => differs).indexOf(true)).toBe(5);
    expect(told(a, b)).toBe('“f”, byte 21 (0x15): alice built 15 16 17 18; bob built ff 16 17 18.');
    expect(told(a, a.slice(0, 21))).toContain('that of bob ends there');
    expect(shown('text', Uint8Array.of(0x74, 0xff)).kind).toBe('bytes');
    expect(shown('a\0', 'b').kind).toBe('bytes');
    // A character that is cut off at the end of its file.
    expect(shown(Uint8Array.of(0xe4, 0xb8), '\u4e2d').kind).toBe('bytes');
  });
});

describe('two files', () => {
  it('are read no further than the difference and some bytes after it', async () => {
    const a = new Uint8Array(3_000_000).fill(97);
    const [left, right] = [fileOf(a), fileOf(a.with(200_000, 98))];
    expect(await compareFiles([left, right])).toMatchObject({ kind: 'text', line: 1 });
    expect(Math.max(left.read, right.read)).toBeLessThan(600_000);
  });

  it('are read to a bound, and no further', async () => {
    const a = new Uint8Array(9 * 1024 * 1024);
    const [left, right] = [fileOf(a), fileOf(a.with(-1, 1))];
    expect(await compareFiles([left, right])).toEqual({ kind: 'beyond' });
    expect([left.read, right.read]).toEqual([bounds.bytesMax, bounds.bytesMax]);
  });

  it('are the same where all bytes are, or where their names are', async () => {
    const a = new Uint8Array(300_000);
    expect(await compareFiles([fileOf(a), fileOf(a)])).toBeUndefined();
    const left = fileOf(a);
    expect(await compareFiles([left, fileOf(a)], () => true)).toBeUndefined();
    expect(left.read).toBe(bounds.firstBytes);
    const empty = new Uint8Array();
    expect(await compareFiles([fileOf(empty), fileOf(empty)])).toBeUndefined();
  });

  it('end the comparison where a server sends nothing, and tells of more', async () => {
    const silent = async () => ({ bytes: new Uint8Array(), whole: false });
    await expect(compareFiles([silent, silent])).rejects.toThrow('the server sent nothing');
  });
});

/** Bytes that are text, nearly text, and none. */
const anyBytes = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 200 }).map(bytesOf),
  fc
    .array(fc.constantFrom('a', '\n', '\r', '\t', ' ', '\u202e', '\u0301', '\u{1f600}'), { maxLength: 90 })
    .map((all) => bytesOf(all.join(''))),
  fc.uint8Array({ maxLength: 200 }),
);

const pairs = fc.oneof(
  fc.tuple(anyBytes, anyBytes),
  // Most of what is compared is the same at first.
  fc.tuple(anyBytes, anyBytes, anyBytes, fc.nat(20_000)).map(([head, a, b, times]) => {
    const heads = Array(Math.min(1 + times, Math.ceil(100_000 / (head.length + 1))))
      .fill([...head])
      .flat();
    return [Uint8Array.from([...heads, ...a]), Uint8Array.from([...heads, ...b])] as const;
  }),
);

/** Control, invisible and turning characters, and those that break lines. */
const hidden = /(?![\t ])[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]/u;

describe('any two files', () => {
  it('have the difference where a plain search finds it, told in a bounded and harmless way', async () => {
    await fc.assert(
      fc.asyncProperty(pairs, async ([a, b]) => {
        const found = await compareFiles([fileOf(a), fileOf(b)]);
        const at = a.findIndex((byte, n) => byte !== b[n]);
        const first = at === -1 ? Math.min(a.length, b.length) : at;
        expect(found === undefined).toBe(Buffer.compare(a, b) === 0);
        if (found === undefined) return;
        const text = JSON.stringify(found);
        expect(text.length).toBeLessThan(40_000);
        expect(hidden.test(text)).toBe(false);
        const says = sentenceOf(found, 'f', by);
        expect([says.length < 1_500, hidden.test(says)]).toEqual([true, false]);
        for (const { lines = [], rows = [] } of found.sides)
          expect(lines.length + rows.length).toBeLessThanOrEqual(7);
        if (found.kind === 'bytes') {
          expect(found.offset).toBe(first);
          return;
        }
        const before = Buffer.from(a.subarray(0, first)).toString('latin1');
        expect(found.line).toBe(before.split('\n').length);
        // Of a text both are UTF-8 without NUL.
        for (const one of [a, b]) {
          expect(one.includes(0)).toBe(false);
          new TextDecoder('utf-8', { fatal: true }).decode(one);
        }
      }),
      { numRuns: 400 },
    );
  });
});
