import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { extract } from 'tar-stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { codeOf, collect, folder, pieces, store, type TarEntry, tar, tarBytes } from '../../store/support.ts';

/** An extractor without our reader: every entry where its name says. */
async function naiveExtract(bytes: Uint8Array, dest: string): Promise<void> {
  const parser = extract();
  pieces(bytes)
    .on('data', (chunk: Uint8Array) => parser.write(chunk))
    .on('end', () => parser.end(undefined));
  for await (const entry of parser) {
    const path = join(dest, entry.header.name);
    await mkdir(dirname(path), { recursive: true });
    const body = Buffer.concat(await collect(entry as AsyncIterable<Uint8Array>));
    if (entry.header.type === 'symlink') await symlink(entry.header.linkname, path);
    else await writeFile(path, body);
  }
}

const escapes: [string, TarEntry[]][] = [
  ['a name with ".."', [{ name: '../loot', body: 'evil' }]],
  [
    'a file written through a link',
    [
      { name: 'out', type: 'symlink', linkname: '..' },
      { name: 'out/loot', body: 'evil' },
    ],
  ],
];

describe('an archive that wants to write outside its tree', () => {
  it.each(escapes)('%s: succeeds with a plain extractor, gets nothing with ours', async (_, entries) => {
    const bytes = await tarBytes(entries);
    const base = await folder();
    await mkdir(join(base, 'in'));
    await naiveExtract(bytes, join(base, 'in'));
    expect(await readFile(join(base, 'loot'), 'utf8')).toBe('evil');

    const s = await store();
    expect(await codeOf(s.importTar(pieces(bytes), { into: s.public }))).toMatch(/^STORE_/);
  });
});

const link = (name: string, linkname: string): TarEntry => ({ name, type: 'symlink', linkname });
const refusals: [string, string, TarEntry[]][] = [
  ['".." inside', 'STORE_NAME_REFUSED', [{ name: 'a/../b', body: 'x' }]],
  ['"." inside', 'STORE_NAME_REFUSED', [{ name: 'a/./b', body: 'x' }]],
  ['"//" inside', 'STORE_NAME_REFUSED', [{ name: 'a//b', body: 'x' }]],
  ['a tab in a name', 'STORE_NAME_REFUSED', [{ name: 'a\tb', body: 'x' }]],
  [
    'a name that turns the text after it around',
    'STORE_NAME_REFUSED',
    [{ name: 'a/txt\u202egpj', body: 'x' }],
  ],
  ['a folder with a line break', 'STORE_NAME_REFUSED', [{ name: 'a\nb/', type: 'directory' }]],
  ['a link with an escape sequence', 'STORE_NAME_REFUSED', [link('\u001b[2J', 'a')]],
  ['an absolute name', 'STORE_PATH_ABSOLUTE', [{ name: '/etc/passwd', body: 'x' }]],
  ['an absolute name behind "./"', 'STORE_PATH_ABSOLUTE', [{ name: './/etc/passwd', body: 'x' }]],
  [
    'a file twice',
    'STORE_PATH_DUPLICATE',
    [
      { name: 'a', body: '1' },
      { name: 'a', body: '2' },
    ],
  ],
  [
    'a file twice, once behind "./"',
    'STORE_PATH_DUPLICATE',
    [
      { name: 'a', body: '1' },
      { name: './a', body: '2' },
    ],
  ],
  ['names that differ in case', 'STORE_PATH_CASE_CONFLICT', [{ name: 'Makefile' }, { name: 'makefile' }]],
  ['folders that differ in case', 'STORE_PATH_CASE_CONFLICT', [{ name: 'Src/a' }, { name: 'src/b' }]],
  [
    'names that differ in the form of an accent',
    'STORE_PATH_CASE_CONFLICT',
    [{ name: 'caf\u00e9' }, { name: 'cafe\u0301' }],
  ],
  ['names that differ in ß and SS', 'STORE_PATH_CASE_CONFLICT', [{ name: 'straße' }, { name: 'STRASSE' }]],
  ['a file below a file', 'STORE_PATH_CONFLICT', [{ name: 'a' }, { name: 'a/b' }]],
  ['a file below a link', 'STORE_PATH_CONFLICT', [{ name: 'd/x' }, link('a', 'd'), { name: 'a/b' }]],
  ['a file where a folder is', 'STORE_PATH_DUPLICATE', [{ name: 'a/b' }, { name: 'a' }]],
  [
    'a folder twice',
    'STORE_PATH_DUPLICATE',
    [
      { name: 'a/', type: 'directory' },
      { name: 'a/', type: 'directory' },
    ],
  ],
  ['a fifo', 'STORE_ENTRY_REFUSED', [{ name: 'a', type: 'fifo' }]],
  ['a character device', 'STORE_ENTRY_REFUSED', [{ name: 'a', type: 'character-device' }]],
  ['a block device', 'STORE_ENTRY_REFUSED', [{ name: 'a', type: 'block-device' }]],
  ['setuid', 'STORE_ENTRY_REFUSED', [{ name: 'a', mode: 0o4755 }]],
  ['setgid', 'STORE_ENTRY_REFUSED', [{ name: 'a', mode: 0o2755 }]],
  [
    'a sparse file in pax form',
    'STORE_ENTRY_REFUSED',
    [{ name: 'a', body: 'x', pax: { 'GNU.sparse.major': '1' } }],
  ],
  [
    'a sparse file in the form of another tool',
    'STORE_ENTRY_REFUSED',
    [{ name: 'a', body: 'x', pax: { 'SCHILY.realsize': '9' } }],
  ],
  [
    'a hard link to what is below a file',
    'STORE_LINK_REFUSED',
    [{ name: 'f' }, { name: 'a', type: 'link', linkname: 'f/x' }],
  ],
  ['a link to the outside', 'STORE_LINK_ESCAPES', [link('a', '../x')]],
  ['a link to the outside from below', 'STORE_LINK_ESCAPES', [link('d/e/a', '../../../x')]],
  ['an absolute link', 'STORE_LINK_ESCAPES', [link('a', '/etc/passwd')]],
  ['two links that leave only together', 'STORE_LINK_ESCAPES', [link('here', '.'), link('a', 'here/../x')]],
  ['the same the other way round', 'STORE_LINK_ESCAPES', [link('a', 'd/up/../x'), link('d/up', '..')]],
  ['a hard link to nothing', 'STORE_LINK_REFUSED', [{ name: 'a', type: 'link', linkname: 'b' }]],
  [
    'a hard link to the outside',
    'STORE_PATH_ABSOLUTE',
    [{ name: 'a', type: 'link', linkname: '/etc/passwd' }],
  ],
  [
    'a hard link to a link',
    'STORE_LINK_REFUSED',
    [link('b', 'c'), { name: 'a', type: 'link', linkname: 'b' }],
  ],
  ['a name of 256 bytes', 'STORE_PATH_TOO_LONG', [{ name: 'n'.repeat(256) }]],
  ['a path over 4,096 bytes', 'STORE_PATH_TOO_LONG', [{ name: `${'n/'.repeat(2100)}n` }]],
  ['65 folders', 'STORE_PATH_TOO_DEEP', [{ name: `${'n/'.repeat(65)}n` }]],
];

describe('the archive reader', () => {
  it.each(refusals)('refuses %s with %s', async (_, code, entries) => {
    const s = await store();
    expect(await codeOf(s.importTar(await tar(entries), { into: s.public }))).toBe(code);
  });

  it('refuses a name that is not UTF-8', async () => {
    const bytes = await tarBytes([{ name: 'abcd', body: 'x' }]);
    bytes[1] = 0xff;
    resum(bytes);
    const s = await store();
    expect(await codeOf(s.importTar(pieces(bytes), { into: s.public }))).toBe('STORE_NAME_NOT_UTF8');
  });

  it('refuses an old GNU sparse header and unknown kinds', async () => {
    const s = await store();
    for (const kind of ['S', 'D', 'M', 'V', 'Z']) {
      const bytes = await tarBytes([{ name: 'a', body: 'x' }]);
      bytes[156] = kind.charCodeAt(0);
      resum(bytes);
      expect(await codeOf(s.importTar(pieces(bytes), { into: s.public }))).toBe('STORE_ENTRY_REFUSED');
    }
  });

  it('refuses a folder, link or hard link that brings bytes', async () => {
    const s = await store();
    for (const kind of ['1', '2']) {
      const bytes = await tarBytes([
        { name: 'f', body: 'x' },
        { name: 'a', body: 'x' },
      ]);
      bytes[1024 + 156] = kind.charCodeAt(0);
      bytes.write('f', 1024 + 157);
      resum(bytes, 1024);
      expect(await codeOf(s.importTar(pieces(bytes), { into: s.public }))).toBe('STORE_ENTRY_REFUSED');
    }
  });

  it('refuses an archive cut anywhere, also between two entries, where no parser can tell', async () => {
    const bytes = await tarBytes([
      { name: 'a', body: 'x'.repeat(700) },
      { name: 'zeros', body: new Uint8Array(3000) },
      { name: 'b', body: 'y' },
    ]);
    const s = await store();
    expect((await s.importTar(pieces(bytes), { into: s.public })).files.length).toBe(3);
    const cuts = [0, 1, 511, 512, 600, 1536, 2048, 3000, 5120, 5632, 6144, 6145, bytes.length - 1];
    for (const cut of cuts) {
      expect(await codeOf(s.importTar(pieces(bytes.subarray(0, cut)), { into: s.public }))).toBe(
        'STORE_TAR_DAMAGED',
      );
    }
  });

  it('refuses bytes after the end, a wrong checksum and what is no tar at all', async () => {
    const bytes = await tarBytes([{ name: 'a', body: 'x' }]);
    const wrong = Buffer.from(bytes);
    wrong[0] = 98;
    const s = await store();
    const more = await tarBytes([{ name: 'hidden', body: 'x' }]);
    // A header of zeros with a checksum, which the parser passes over.
    const odd = Buffer.from(bytes);
    odd[1024 + 150] = 1;
    expect(await codeOf(s.importTar(pieces(odd), { into: s.public }))).toBe('STORE_TAR_DAMAGED');
    const inputs = [
      Buffer.concat([bytes, Buffer.from('more')]),
      Buffer.concat([bytes, more]),
      wrong,
      Buffer.alloc(4096, 'gzip'),
    ];
    for (const input of inputs) {
      expect(await codeOf(s.importTar(pieces(input), { into: s.public }))).toMatch(
        /STORE_TAR_DAMAGED|STORE_PATH/,
      );
    }
    expect(await codeOf(s.importTar(pieces(inputs[1] as Buffer), { into: s.public }))).toBe(
      'STORE_TAR_DAMAGED',
    );
  });

  it('refuses what is no tar at all also when more of it comes after the parser has given up', async () => {
    const s = await store();
    for (const size of [512, 700, 1024]) {
      const input = pieces(Buffer.alloc(8192, 'gzip'), size);
      expect(await codeOf(s.importTar(input, { into: s.public }))).toBe('STORE_TAR_DAMAGED');
    }
  });

  it.each(['x', 'g', 'L', 'K'])(
    'refuses an empty header of type %s, which hides what follows it',
    async (type) => {
      const empty = await tarBytes([{ name: 'PaxHeader' }]);
      empty.write(type, 156);
      resum(empty);
      const rest = await tarBytes([
        { name: 'a', body: 'x'.repeat(700) },
        { name: 'b', body: 'y' },
      ]);
      const bytes = Buffer.concat([empty.subarray(0, 512), rest]);
      const s = await store();
      for (const size of [512, 100_000])
        expect(await codeOf(s.importTar(pieces(bytes, size), { into: s.public }))).toBe('STORE_TAR_DAMAGED');
      // A plain parser skips the content's length once more: what it finds there no other reader does.
      const [a, hidden] = [
        await tarBytes([{ name: 'a', body: 'x'.repeat(700) }]),
        await tarBytes([{ name: 'hidden', body: 'y' }]),
      ];
      const off = Buffer.concat([
        empty.subarray(0, 512),
        a.subarray(0, -1024),
        Buffer.alloc(700, 'z'),
        hidden,
      ]);
      const dest = await folder();
      await naiveExtract(off, dest);
      expect(await readFile(join(dest, 'hidden'), 'utf8')).toBe('y');
      for (const size of [512, 100_000])
        expect(await codeOf(s.importTar(pieces(off, size), { into: s.public }))).toBe('STORE_TAR_DAMAGED');
    },
  );

  it('refuses a header that claims more than there is, and stops at the byte limit before reading that much', async () => {
    const bytes = await tarBytes([{ name: 'a', body: 'x' }]);
    bytes.write('77777777777', 124);
    resum(bytes);
    const s = await store();
    expect(await codeOf(s.importTar(pieces(bytes), { into: s.public, maxBytes: 1000 }))).toBe(
      'STORE_TREE_TOO_LARGE',
    );
    bytes.write('00000100000', 124);
    resum(bytes);
    expect(await codeOf(s.importTar(pieces(bytes), { into: s.public }))).toBe('STORE_TAR_DAMAGED');
  });

  it('stops at its limits of bytes and entries, empty folders among them, and takes exactly as much', async () => {
    const entries = Array.from({ length: 10 }, (_, index) => ({ name: `f${index}`, body: 'x'.repeat(100) }));
    const s = await store();
    const into = s.public;
    expect((await s.importTar(await tar(entries), { into, maxBytes: 1000, maxEntries: 10 })).bytes).toBe(
      1000,
    );
    expect(await codeOf(s.importTar(await tar(entries), { into, maxBytes: 999 }))).toBe(
      'STORE_TREE_TOO_LARGE',
    );
    expect(await codeOf(s.importTar(await tar(entries), { into, maxEntries: 9 }))).toBe(
      'STORE_TREE_TOO_MANY_ENTRIES',
    );
    expect((await s.importTar(await tar(entries), { into, maxFiles: 10 })).files.length).toBe(10);
    expect(await codeOf(s.importTar(await tar(entries), { into, maxFiles: 9 }))).toBe(
      'STORE_TREE_TOO_MANY_FILES',
    );
    expect(await codeOf(s.importTar(await tar([{ name: 'a/b/c' }]), { into, maxEntries: 2 }))).toBe(
      'STORE_TREE_TOO_MANY_ENTRIES',
    );
    const folders = [...Array(3).keys()].map((n) => ({ name: `d${n}`, type: 'directory' as const }));
    const full = { name: 'd0/f', body: 'x' };
    expect(await codeOf(s.importTar(await tar([...folders, full]), { into, maxFiles: 2 }))).toBe(
      'STORE_TREE_TOO_MANY_FILES',
    );
    expect((await s.importTar(await tar([...folders, full]), { into, maxFiles: 3 })).entries).toBe(4);
  });

  it('stops an endless archive of nothing but headers', async () => {
    const { Readable } = await import('node:stream');
    const header = (await tarBytes([{ name: 'x', body: 'y', pax: { comment: 'z' } }])).subarray(0, 1024);
    let sent = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        sent += header.length;
        yield header;
      }
    }
    const s = await store();
    const tarStream = Readable.from(endless(), { objectMode: false });
    expect(await codeOf(s.importTar(tarStream, { into: s.public, maxBytes: 10, maxEntries: 10 }))).toMatch(
      /^STORE_TREE_TOO/,
    );
    expect(sent).toBeLessThan(10_000_000);
  });

  it('ends when told to, though the archive never comes', async () => {
    const { PassThrough } = await import('node:stream');
    const s = await store();
    const reason = new Error('enough');
    const controller = new AbortController();
    const waiting = s.importTar(new PassThrough(), { into: s.public, signal: controller.signal });
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  it('takes links that stay inside, dangling ones, loops, and hard links as copies', async () => {
    const s = await store();
    const tree = await s.importTar(
      await tar([
        { name: 'd/file', body: 'content', mode: 0o755 },
        { name: 'd/hard', type: 'link', linkname: './d/file' },
        link('l', 'd/../d/file'),
        link('dangling', 'd/none/deeper'),
        link('loop', 'loop'),
        link('d/up', '..'),
      ]),
      { into: s.public },
    );
    const sha256 = createHash('sha256').update('content').digest('hex');
    expect(tree.files).toEqual([
      { path: 'd/file', sha256, size: 7 },
      { path: 'd/hard', sha256, size: 7 },
    ]);
    const dest = join(await folder(), 'out');
    await s.exportDirectory(tree.root, dest);
    expect(await readFile(join(dest, 'l'), 'utf8')).toBe('content');
    expect((await lstat(join(dest, 'd/hard'))).mode & 0o777).toBe(0o755);
    expect((await lstat(join(dest, 'd/hard'))).nlink).toBe(1);
  });
});

describe('the folder reader', () => {
  it('refuses what is no file, folder or link, and does not wait on a pipe', async () => {
    const s = await store();
    const fifo = await folder();
    execFileSync('mkfifo', [join(fifo, 'pipe')]);
    expect(await codeOf(s.importDirectory(fifo, { into: s.public }))).toBe('STORE_ENTRY_REFUSED');
    const socket = await folder();
    const server = createServer().listen(join(socket, 'socket'));
    onTestFinished(() => {
      server.close();
    });
    await new Promise((resolve) => server.once('listening', resolve));
    expect(await codeOf(s.importDirectory(socket, { into: s.public }))).toBe('STORE_ENTRY_REFUSED');
  });

  it('follows no link out, keeps a nested .git, and refuses a name that is not UTF-8', async () => {
    const s = await store();
    const dir = await folder();
    await mkdir(join(dir, 'sub/.git'), { recursive: true });
    await writeFile(join(dir, 'sub/.git/config'), 'x');
    await writeFile(join(dir, '.git'), 'gitdir: elsewhere');
    expect((await s.importDirectory(dir, { into: s.public })).files.map(({ path }) => path)).toEqual([
      'sub/.git/config',
    ]);
    await symlink('/etc', join(dir, 'etc'));
    expect(await codeOf(s.importDirectory(dir, { into: s.public }))).toBe('STORE_LINK_ESCAPES');
    const odd = await folder();
    await writeFile(Buffer.concat([Buffer.from(`${odd}/`), Buffer.from([0x61, 0xff])]), 'x');
    expect(await codeOf(s.importDirectory(odd, { into: s.public }))).toBe('STORE_NAME_NOT_UTF8');
    expect(await codeOf(s.importDirectory(join(dir, 'none'), { into: s.public }))).toBe('STORE_NOT_A_FOLDER');
  });
});

/** Puts a header's checksum right after a change, so that only our own check can refuse it. */
function resum(bytes: Buffer, at = 0): void {
  bytes.write('        ', at + 148);
  let sum = 0;
  for (const byte of bytes.subarray(at, at + 512)) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148);
}
