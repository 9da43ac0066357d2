import { Readable } from 'node:stream';
import fc from 'fast-check';
import { extract } from 'tar-stream';
import { joinArchives } from '../../../sandbox/archive.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { checkName, checkTarget, decodeName, foldName, splitPath } from '../../../src/store/names.ts';
import { Symlinks } from '../../../src/store/symlinks.ts';
import { readTar } from '../../../src/store/tar-read.ts';
import { anyCharacter } from '../../support/any-character.ts';
import { anyBytes, mutatedBytes, mutatedText } from '../arbitraries.ts';
import { cuts, type TarEntry, tarBytes } from '../corpus.ts';
import { type AnyTarget, Broken, define, must } from '../target.ts';
import { MemoryBlocks } from './blocks.ts';

const entries: readonly (readonly TarEntry[])[] = [
  [],
  [{ name: 'a', body: 'hello' }],
  [
    { name: './', type: 'directory' },
    { name: './bin/tool', body: 'x'.repeat(700), mode: 0o755 },
    { name: './link', type: 'symlink', linkname: 'bin/tool' },
    { name: './same', type: 'link', linkname: './bin/tool' },
  ],
  [{ name: 'deep/'.repeat(4) + 'long name '.repeat(20), body: 'pax', pax: { comment: 'a'.repeat(600) } }],
  [
    { name: 'é/ünï', body: '' },
    { name: 'links', type: 'symlink', linkname: 'a/'.repeat(200) },
  ],
  [
    { name: 'l', type: 'symlink', linkname: `${'a/'.repeat(2000)}a` },
    ...Array.from(
      { length: 10 },
      (_, index): TarEntry => ({
        name: `m${index}`,
        type: 'symlink',
        linkname: `${'l/'.repeat(1)}${'b/'.repeat(1900)}b`,
      }),
    ),
  ],
];

/** Headers of which something was changed get the sum that fits: otherwise nothing of them is looked at. */
function summed(bytes: Uint8Array): Uint8Array {
  const out = Uint8Array.from(bytes);
  for (let at = 0; at + 512 <= out.length; at += 512) {
    if (Buffer.from(out.subarray(at + 257, at + 262)).toString('latin1') !== 'ustar') continue;
    out.fill(32, at + 148, at + 156);
    const sum = out.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    out.set(Buffer.from(`${sum.toString(8).padStart(6, '0')}\0 `), at + 148);
  }
  return out;
}

/** A field of a header (tar(5)), and what may be written there. */
const fields: [at: number, size: number, values: readonly string[]][] = [
  [0, 100, ['', 'a', '/', '../a', 'a/../../b', './', '.', 'a/', 'A', '\xff\xfe', 'x'.repeat(100)]],
  [100, 8, ['0000755', '0004755', '7777777', '\x80\xff\xff\xff', 'x', '-1']],
  [
    124,
    12,
    [
      '00000000000',
      '77777777777',
      '00000000001',
      '\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff',
      '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfb',
      'x',
      '-1',
    ],
  ],
  [156, 1, ['0', '1', '2', '3', '4', '5', '6', '7', 'x', 'g', 'L', 'K', 'N', 'S', 'V', '\0', '\xff']],
  [157, 100, ['', 'a', '/etc/passwd', '../../x', '.', 'bin/tool', '\xff']],
  [257, 8, ['ustar\x0000', 'ustar  \0', 'ustar\0\0\0']],
  [345, 155, ['', 'p', '..', '/', 'x'.repeat(155)]],
];
const field = fc.constantFrom(...fields).chain(([at, size, values]) =>
  fc.record({
    block: fc.nat({ max: 40 }),
    at: fc.constant(at),
    size: fc.constant(size),
    value: fc.constantFrom(...values),
  }),
);

const headers = (seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(fc.constantFrom(...seeds), fc.array(field, { minLength: 1, maxLength: 4 }))
    .map(([seed, edits]) => {
      const bytes = Uint8Array.from(seed);
      for (const { block, at, size, value } of edits) {
        const from = (block % Math.max(1, Math.floor(bytes.length / 512))) * 512 + at;
        bytes.fill(0, from, from + size);
        bytes.set(Buffer.from(value, 'latin1').subarray(0, Math.max(0, bytes.length - from)), from);
      }
      return bytes;
    });

/** Pax records are text of their own, with lengths that may lie. */
const records = fc
  .array(
    fc.record({
      lie: fc.constantFrom(0, 0, 0, 1, -1, -9, 1000, 1e9),
      key: fc.constantFrom(
        'path',
        'linkpath',
        'size',
        'GNU.sparse.major',
        'SCHILY.realsize',
        '__proto__',
        'comment',
        '',
      ),
      value: fc.oneof(
        fc.constantFrom(
          '',
          'a',
          '../x',
          '0',
          '1',
          '1e9',
          '-1',
          'NaN',
          '99999999999999999999',
          'a/'.repeat(2000),
        ),
        fc.string({ unit: anyCharacter, maxLength: 9 }),
      ),
    }),
    { maxLength: 5 },
  )
  .chain((all) => fc.tuple(fc.constant(all), fc.constantFrom('x', 'g', 'L', 'K')))
  .map(([all, type]) => {
    const text = all.map(({ lie, key, value }) => {
      const body = ` ${key}=${value}\n`;
      const size = Buffer.byteLength(body) + 2;
      return `${size + lie}${body}`;
    });
    const content = Buffer.from(text.join(''));
    const header = Buffer.alloc(512);
    header.write('PaxHeader', 0);
    header.write('0000644\0', 100);
    header.write(`${content.length.toString(8).padStart(11, '0')} `, 124);
    header.write(type, 156);
    header.write('ustar\x0000', 257);
    return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
  });

export const archive = (seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> =>
  fc
    .oneof(
      mutatedBytes(seeds),
      headers(seeds),
      fc
        .tuple(records, fc.constantFrom(...seeds))
        .map(([pax, seed]) => new Uint8Array(Buffer.concat([pax, seed]))),
      fc
        .tuple(fc.constantFrom(...seeds), fc.constantFrom(...seeds))
        .map(([a, b]) => new Uint8Array(Buffer.concat([a.subarray(0, -1024), b]))),
    )
    .map(summed);

const streamOf = (pieces: readonly Uint8Array[]): Readable =>
  Readable.from(
    pieces.filter(({ length }) => length > 0),
    { objectMode: false },
  );

/** The same however it was cut; what differs is a finding, what was refused is refused. */
async function alike(
  bytes: Uint8Array,
  read: (pieces: readonly Uint8Array[]) => Promise<string>,
): Promise<void> {
  const found: { said: string; error?: QuorateError }[] = [];
  for (const pieces of cuts(bytes)) {
    try {
      found.push({ said: await read(pieces) });
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      found.push({ said: error.code, error });
    }
  }
  const said = found.map((one) => one.said);
  if (new Set(said).size > 1) throw new Broken(`other pieces, another outcome: ${said.join(' / ')}`);
  if (found[0]?.error !== undefined) throw found[0].error;
}

const tar = define<Uint8Array>({
  name: 'tar',
  seeds: () => Promise.all(entries.map(tarBytes)),
  arbitrary: archive,
  // Read three times over, in up to a thousand pieces.
  msMax: 400,
  run: (bytes) =>
    alike(bytes, async (pieces) => {
      const blocks = new MemoryBlocks();
      const { root, files } = await readTar(streamOf(pieces), blocks, { maxBytes: 2 ** 20, maxEntries: 300 });
      must(
        files.every(({ path }) => !path.startsWith('/') && !path.split('/').includes('..')),
        'a path leads out of the tree',
      );
      return root.toString();
    }),
});

async function namesIn(joined: Readable): Promise<string> {
  const reader = extract();
  const names: string[] = [];
  joined.on('error', (error) => reader.destroy(error));
  joined.pipe(reader);
  for await (const entry of reader) {
    const { name, type, linkname } = entry.header;
    if (type === 'link' && !linkname?.startsWith('src/')) throw new Broken(`a hard link to ${linkname}`);
    names.push(`${name} ${type}`);
    entry.resume();
  }
  return names.join('\0');
}

const last = [{ name: 'end', mode: 0o755, type: 'directory' }] as const;

const joined = define<Uint8Array>({
  name: 'sandbox-archive',
  seeds: () => Promise.all(entries.map(tarBytes)),
  arbitrary: archive,
  msMax: 400,
  run: (bytes) =>
    alike(bytes, async (pieces) => {
      const names = await namesIn(joinArchives([{ folder: 'src', tar: streamOf(pieces) }], last));
      const all = names.split('\0');
      must(all.at(-1) === 'end/ directory', 'the folder that marks the end does not come last');
      must(
        all.slice(0, -1).every((name) => name.startsWith('src/') && !/(^|\/)\.\.(\/| )/.test(name)),
        'an entry leaves its folder',
      );
      return names;
    }),
});

const path = define<string>({
  name: 'tree-path',
  seeds: async () => ['a', 'a/b', 'é/日本', '__proto__/constructor'],
  arbitrary: (seeds) => mutatedText(seeds, ['/', '..', '/./', 'a/', '\0', '\ufffd', 'n'.repeat(255)]),
  run(text) {
    const parts = splitPath(text);
    must(parts.join('/') === text, 'the path that was read is another');
    for (const part of parts) {
      checkName(part, text);
      must(decodeName(Buffer.from(part), text) === part, 'a name is not what its bytes say');
      must(foldName(foldName(part)) === foldName(part), 'a folded name folds on');
    }
  },
});

const name = define<Uint8Array>({
  name: 'file-name',
  seeds: async () => ['a', 'é', '日本', '\u{1f600}'].map((text) => new Uint8Array(Buffer.from(text))),
  arbitrary: (seeds) => fc.oneof(mutatedBytes(seeds), anyBytes(40)),
  run(bytes) {
    const text = decodeName(bytes, 'a folder');
    must(Buffer.compare(Buffer.from(text), bytes) === 0, 'a name is not what its bytes say');
  },
});

const link = define<{ target: string; next: string }>({
  name: 'link-target',
  seeds: async () => [
    { target: 'a/b', next: 'c' },
    { target: '../x', next: '.' },
  ],
  arbitrary: () => {
    const target = mutatedText(['a/b', 'l', 'l/..', '../x/./y'], ['/', '../', './', 'l/', 'a/']);
    return fc.record({ target, next: target });
  },
  run({ target, next }) {
    checkTarget(target, 'd/e/f/link');
    checkTarget(next, 'd/e/l');
    const links = new Symlinks();
    links.add('d/e/f/link', target);
    links.add('d/e/l', next);
    links.add('d/e/f/l', next);
    links.check();
  },
});

export const targets: readonly AnyTarget[] = [tar, joined, path, name, link];
