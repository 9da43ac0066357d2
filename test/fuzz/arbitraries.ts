import fc from 'fast-check';
import { anyCharacter } from '../support/any-character.ts';
import { type Json, lists, type Tree, treeOf, treeText } from './json.ts';

/** Random bytes, mostly few. */
export const anyBytes = (maxLength = 600): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength: 32 }),
    fc.uint8Array({ maxLength }),
    fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 16 * 1024 }))
      .map(([byte, times]) => new Uint8Array(times).fill(byte)),
  );

/** Fragments that text-based formats trip over: each may stand anywhere, and again and again. */
const fragments = [
  ...[
    '',
    '\0',
    '\n',
    '\r',
    '\t',
    ' ',
    '"',
    "'",
    '\\',
    '/',
    '.',
    '..',
    ',',
    ':',
    ';',
    '=',
    '+',
    '-',
    '%',
    '#',
    '@',
    '~',
    '*',
    '&',
    '!',
    '|',
    '>',
    '?',
    '^{}',
  ],
  ...[
    '{',
    '}',
    '[',
    ']',
    '(',
    ')',
    '<',
    '>',
    '0',
    '-0',
    '1',
    '9',
    '1e999',
    '-1e999',
    '0.1',
    '1e5',
    '9007199254740993',
    '123456789012345678901234567890',
  ],
  ...[
    'null',
    'true',
    '{"/":"bafy"}',
    '{"/":{"bytes":"AA"}}',
    '"__proto__":1,',
    '__proto__',
    'constructor',
    'toString',
    '\\u0000',
    '\\ud800',
    '\\udfff\\ud800',
  ],
  ...[
    '\ud800',
    '\udfff',
    '\ufeff',
    '\ufffd',
    '\u202e',
    '\u2028',
    '\u00e9',
    'e\u0301',
    '\u{1f600}',
    '\u{e0041}',
    '\u001b[2J',
    '\u001b[31m',
    '\u009b',
    '\u0130',
    '\u00df',
  ],
  ...[
    '- ',
    '? ',
    '&a ',
    '*a ',
    '!!binary ',
    '<<: *a\n',
    '---\n',
    '%YAML 1.1\n',
    '\u2014 ',
    'refs/',
    '../',
    './',
    'a/',
    '://',
    'file:',
    'ext::',
    '[::1]',
    'xn--',
    'A',
    'AAAA',
  ],
];
const text = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...fragments) },
  { weight: 1, arbitrary: fc.string({ unit: anyCharacter, maxLength: 8 }) },
  // Half characters: what JSON lets through and UTF-8 does not.
  {
    weight: 1,
    arbitrary: fc
      .array(fc.integer({ min: 0xd700, max: 0xe0ff }), { maxLength: 4 })
      .map((units) => String.fromCharCode(...units)),
  },
);

/** Few repetitions mostly; many where something could grow with the square of them. */
const times = fc.oneof(
  { weight: 12, arbitrary: fc.constant(1) },
  { weight: 3, arbitrary: fc.integer({ min: 2, max: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 41, max: 20_000 }) },
);

interface Edit<P> {
  at: number;
  drop: number;
  put: P;
  times: number;
}

const edit = <P>(put: fc.Arbitrary<P>): fc.Arbitrary<Edit<P>> =>
  fc.record({
    at: fc.nat({ max: 2 ** 24 }),
    drop: fc.oneof(
      { weight: 6, arbitrary: fc.nat({ max: 4 }) },
      { weight: 1, arbitrary: fc.nat({ max: 2 ** 16 }) },
    ),
    put,
    times,
  });

/** Length of an edited input at most: past every limit of a document that a person writes, and quick to go through. */
const lengthMax = 64 * 1024;

const cut = (length: number, { at, drop }: { at: number; drop: number }) => {
  const from = at % (length + 1);
  return { from, to: Math.min(length, from + drop) };
};

function edited(seed: string, edits: readonly Edit<string>[]): string {
  let now = seed;
  for (const one of edits) {
    const { from, to } = cut(now.length, one);
    const put = one.put.repeat(Math.min(one.times, Math.ceil(lengthMax / (one.put.length + 1))));
    now = now.slice(0, from) + put + now.slice(to);
  }
  return now;
}

/** Valid texts, edited; and texts out of nothing. */
export const mutatedText = (
  seeds: readonly string[],
  extra: readonly string[] = [],
): fc.Arbitrary<string> => {
  const put = extra.length === 0 ? text : fc.oneof(text, fc.constantFrom(...extra));
  const parts = fc.array(fc.tuple(put, times), { maxLength: 12 });
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.constantFrom(...seeds), fc.array(edit(put), { maxLength: 4 }))
        .map(([seed, edits]) => edited(seed, edits)),
    },
    {
      weight: 1,
      arbitrary: parts.map((all) =>
        edited(
          '',
          all.map(([one, count]) => ({ at: 2 ** 24, drop: 0, put: one, times: count })),
        ),
      ),
    },
    { weight: 1, arbitrary: fc.string({ unit: anyCharacter, maxLength: 200 }) },
  );
};

type Change =
  | { kind: 'flip'; at: number; bit: number }
  | { kind: 'set'; at: number; bytes: number[] }
  | { kind: 'insert'; at: number; bytes: number[]; times: number }
  | { kind: 'drop'; at: number; count: number }
  | { kind: 'end'; at: number };

const at = fc.nat({ max: 2 ** 24 });
/** Ends of the ranges of bytes, of lengths and of variable-length numbers. */
const edges = [
  [0],
  [1],
  [0x7f],
  [0x80],
  [0xff],
  [0xff, 0xff, 0xff, 0xff],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
  [0x7f, 0xff, 0xff, 0xff],
  [0, 0, 0, 0],
];
const few = fc.oneof(
  fc.constantFrom(...edges),
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 12 }),
);
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant('set' as const), at, bytes: few }),
  fc.record({ kind: fc.constant('insert' as const), at, bytes: few, times }),
  fc.record({
    kind: fc.constant('drop' as const),
    at,
    count: fc.oneof(fc.nat({ max: 8 }), fc.constant(512), fc.nat({ max: 5_000 })),
  }),
  fc.record({ kind: fc.constant('end' as const), at }),
);

function changed(bytes: Uint8Array, one: Change): Uint8Array {
  const from = one.at % (bytes.length + 1);
  switch (one.kind) {
    case 'flip':
      return bytes.map((byte, index) => (index === from ? byte ^ (1 << one.bit) : byte));
    case 'set': {
      const copy = Uint8Array.from(bytes);
      copy.set(one.bytes.slice(0, bytes.length - from), from);
      return copy;
    }
    case 'insert': {
      const count = Math.min(one.times, Math.ceil(lengthMax / (one.bytes.length + 1)));
      const put = Array.from({ length: count }, () => one.bytes).flat();
      return Uint8Array.from([...bytes.subarray(0, from), ...put, ...bytes.subarray(from)]);
    }
    case 'drop':
      return Uint8Array.from([...bytes.subarray(0, from), ...bytes.subarray(from + one.count)]);
    case 'end':
      return bytes.slice(0, from);
  }
}

/** Valid bytes, changed; and random ones. */
export const mutatedBytes = (seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .tuple(fc.constantFrom(...seeds), fc.array(change, { maxLength: 5 }))
        .map(([seed, changes]) => changes.reduce(changed, seed)),
    },
    { weight: 1, arbitrary: anyBytes() },
  );

/** Values in the place of others. As JSON text, so that it may say what no value of JavaScript does. */
const values = [
  ...[
    'null',
    'true',
    '""',
    '0',
    '-1',
    '1.5',
    '-0',
    '1e999',
    '9007199254740993',
    '253402300800',
    '4294967297',
    '123456789012345678901234567890',
    '[]',
    '{}',
    '[[]]',
  ],
  ...[
    '"\\u0000"',
    '"\\ud800"',
    '"\\u202e"',
    '"__proto__"',
    '{"__proto__":{"a":1}}',
    '{"a":1,"a":2}',
    '{"/":"bafy"}',
    '{"/":{"bytes":"AA"}}',
    '{"/":1}',
  ],
  ...[
    '"host"',
    '"exit"',
    '"a/../b"',
    '"/"',
    '"12D3KooW"',
    '"bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"',
  ],
].map((value) => ({ raw: value }));
const long = fc
  .tuple(
    fc.constantFrom('a', '1', 'é', '\\', '"', '\ud83d\ude00'),
    fc.constantFrom(63, 64, 65, 120, 200, 255, 300, 301, 400, 4096, 16_384, 60_000),
  )
  .map(([char, count]) => char.repeat(count));
const nested = fc
  .integer({ min: 1, max: 2_000 })
  .chain((depth) =>
    fc.constantFrom(
      { raw: `${'['.repeat(depth)}${']'.repeat(depth)}` },
      { raw: `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}` },
      { raw: '['.repeat(depth) },
    ),
  );
const many = fc
  .integer({ min: 2, max: 3_000 })
  .map((count) => ({ raw: `[${Array(count).fill('1').join(',')}]` }));
const anyValue: fc.Arbitrary<Tree> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...values) },
  { weight: 2, arbitrary: long },
  { weight: 1, arbitrary: nested },
  { weight: 1, arbitrary: many },
  { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 2 }).map((value) => treeOf(value as Json)) },
  { weight: 1, arbitrary: text },
);
const key = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'iss', 'exp', 'kind', 'v', '', 'a'.repeat(300)),
  text,
);

type JsonEdit = { kind: 'value' | 'add' | 'drop' | 'twice' | 'rename'; at: number; key: string; value: Tree };
const jsonEdit: fc.Arbitrary<JsonEdit> = fc.record({
  kind: fc.constantFrom('value', 'value', 'value', 'add', 'drop', 'twice', 'rename'),
  at: fc.nat({ max: 2 ** 16 }),
  key,
  value: anyValue,
});

/** One thing in a tree, anywhere, is another, gone, there twice or called otherwise. */
function jsonEdited(tree: Tree, one: JsonEdit): Tree {
  const places = lists(tree);
  if (one.kind === 'value' && one.at % (places.length + 1) === 0) return one.value;
  const place = places[one.at % Math.max(1, places.length)];
  if (place === undefined) return one.kind === 'add' ? { keys: [[one.key, one.value]] } : one.value;
  const { list, index } = place;
  const [name, before] = list[index] ?? ['', null];
  if (one.kind === 'value') list[index] = [name, one.value];
  else if (one.kind === 'drop') list.splice(index, 1);
  else if (one.kind === 'rename') list[index] = [one.key, before];
  else list.splice(index, 0, one.kind === 'twice' ? [name, before] : [one.key, one.value]);
  return tree;
}

/** Valid JSON, changed as one who knows its shape would change it. Keys stay in order, so most of it is still canonical. */
export const mutatedJson = (seeds: readonly string[]): fc.Arbitrary<string> =>
  fc
    .tuple(fc.constantFrom(...seeds), fc.array(jsonEdit, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([seed, edits, sort]) => treeText(edits.reduce(jsonEdited, treeOf(JSON.parse(seed))), sort));
