import { mkdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { UnpackBudget } from '../../../src/client/comparison/archive-content.ts';
import { compareFiles } from '../../../src/client/comparison/compare-files.ts';
import { comparisonLimits } from '../../../src/client/comparison/limits.ts';
import { withLimits } from '../../support/with-limits.ts';
import {
  compare,
  contentOf,
  different,
  members,
  reasons,
  run,
  same,
  scratch,
  type TarEntry,
  tar,
} from './support.ts';

const one: TarEntry = { name: 'package/one', body: 'one\n' };
const two: TarEntry = { name: 'package/two', body: 'two\n', mode: 0o755 };
const link: TarEntry = { name: 'package/link', type: 'symlink', linkname: 'one' };
const later = (entry: TarEntry): TarEntry => ({ ...entry, mtime: new Date(2000) });

describe('two gzip files', () => {
  it('are the same but for gzip: npm packs by two levels of compression', async () => {
    const dir = await scratch();
    const text = (await readFile('docs/cli.md', 'utf8')).repeat(3);
    await writeFile(join(dir, 'package.json'), JSON.stringify({ name: 'x', version: '1.0.0' }));
    await writeFile(join(dir, 'text.md'), text);
    run('npm', ['pack', '--offline', '--ignore-scripts'], dir);
    const packed = await readFile(join(dir, 'x-1.0.0.tgz'));
    const unpacked = run('gzip', ['-dc', 'x-1.0.0.tgz'], dir);
    const found = await compare(packed, gzipSync(unpacked, { level: 1 }));
    expect(found).toMatchObject({
      result: 'normalised',
      normalisations: ['gzip'],
      within: { format: 'tar', bytes: unpacked.length },
    });
    const changed = gzipSync(
      Buffer.from(unpacked.toString('latin1').replace('quorate', 'Quorate'), 'latin1'),
    );
    expect(await members(packed, changed)).toEqual(['package/text.md: content']);
  });

  it('are named what else differs: name in the header, order and times within', async () => {
    const bytes = await tar([one, two]);
    const plain = gzipSync(bytes);
    const named = Buffer.from(gzipSync(bytes, { level: 1 }));
    const head = Buffer.concat([named.subarray(0, 10), Buffer.from('x.tar\0')]);
    head[3] = 8;
    const renamed = Buffer.concat([head, named.subarray(10)]);
    expect(await same(plain, renamed)).toEqual(['gzip', 'gzip-name']);
    const other = gzipSync(await tar([later(two), one]));
    expect(await same(plain, other)).toEqual(['gzip', 'order', 'times']);
    const comment = Buffer.from(renamed);
    comment[3] = 16;
    expect(await reasons(plain, comment)).toContain('comment of the gzip header differ');
  });

  it('are different where one has more behind its end, is damaged, or has another content', async () => {
    const [good, text] = [gzipSync(await tar([one])), gzipSync('text')];
    const worse = gzipSync(await tar([one]), { level: 0 });
    expect(await reasons(good, Buffer.concat([worse, Buffer.from('more')]))).toMatch(/b: it has .* behind/);
    expect(await reasons(good, Buffer.concat([worse, text]))).toMatch(/b: it has .* behind/);
    const broken = Buffer.from(worse);
    broken[worse.length - 6] = 1 ^ Number(broken[worse.length - 6]);
    expect(await reasons(good, broken)).toBe('b: it does not have the checksum that it states');
    expect(await reasons(broken, good)).toBe('a: it does not have the checksum that it states');
    for (const cut of [3, 9, 12, 40, worse.length - 9, worse.length - 1])
      expect((await different(good, worse.subarray(0, cut))).reasons, String(cut)).toHaveLength(1);
    expect(await reasons(text, gzipSync('texT'))).toBe('what they unpack to differs from offset 3 on');
    expect(await reasons(text, good)).toContain('what they unpack to differs');
  });

  it('are different where one has a header that is none', async () => {
    const good = gzipSync(await tar([one]));
    const worse = gzipSync(await tar([one]), { level: 0 });
    const changed = (at: number, to: number) => {
      const bytes = Buffer.from(worse);
      bytes[at] = to;
      return bytes;
    };
    const headed = (flags: number, ...more: number[]) =>
      Buffer.concat([changed(3, flags).subarray(0, 10), Buffer.from(more), worse.subarray(10)]);
    for (const bytes of [changed(2, 7), changed(3, 0x20)])
      expect(await reasons(good, bytes)).toBe('b: its gzip header is unknown');
    expect(await reasons(good, changed(worse.length - 4, 1 ^ Number(worse.at(-4))))).toBe(
      'b: it does not have the length that it states',
    );
    expect(await reasons(good, headed(4, 0xff, 0xff))).toBe('b: its gzip header has no end');
    expect(await reasons(good, Buffer.concat([headed(8).subarray(0, 10), Buffer.alloc(20, 'x')]))).toBe(
      'b: its gzip header has no end',
    );
    // A checksum of the header, which is passed over, and an extra field, which is compared.
    expect(await same(good, headed(2, 1, 2))).toEqual(['gzip']);
    expect(await reasons(good, headed(4, 1, 0, 0x78))).toMatch(/gzip header differ/);
    expect(await reasons(headed(4, 1, 0, 0x78), headed(4, 0, 0))).toMatch(/gzip header differ/);
    expect(await reasons(good, good.subarray(0, 18))).toMatch(/cannot be unpacked: unexpected end/);
    const nameOnly = Buffer.concat([headed(8).subarray(0, 10), Buffer.from(`${'x'.repeat(20)}\0`)]);
    expect(await reasons(good, nameOnly)).toBe('b: it is truncated');
    // As long as a header is read, and a byte longer.
    const long = (bytes: number) => {
      const name = Buffer.from(`${'x'.repeat(bytes - 10 - 1)}\0`);
      return Buffer.concat([headed(8).subarray(0, 10), name, worse.subarray(10)]);
    };
    expect(await same(good, long(128 * 1024))).toEqual(['gzip', 'gzip-name']);
    expect(await reasons(good, long(128 * 1024 + 1))).toBe('b: its gzip header has no end');
    const empty = Buffer.concat([headed(8).subarray(0, 10), Buffer.from('name\0'), Buffer.alloc(8)]);
    expect(await reasons(good, empty)).toMatch(/cannot be unpacked: unexpected end/);
    expect(await reasons(good.subarray(0, 2), good)).toBe('a: it is truncated');
    for (const cut of [9, 17]) expect(await reasons(good, good.subarray(0, cut))).toBe('b: it is truncated');
  });

  it('are not unpacked beyond a limit', async () => {
    const zeros = Buffer.alloc(1_000_000);
    const budget = new UnpackBudget(AbortSignal.timeout(120_000));
    budget.bytes(8 * 2 ** 30 - 1_000_000);
    const [a, b] = [gzipSync(zeros), gzipSync(zeros, { level: 1 })].map(contentOf);
    if (a === undefined || b === undefined) throw new Error('two files');
    await expect(compareFiles(a, b, { scratch: await scratch(), budget })).rejects.toMatchObject({
      code: 'COMPARE_TOO_LARGE',
    });
  });
});

describe('two tars', () => {
  it('are the same but for order, times and padding, by GNU tar too', async () => {
    const all = [one, two, link];
    expect(await same(await tar(all), await tar([link, two, one]))).toEqual(['order']);
    expect(await same(await tar(all), await tar(all.map(later)))).toEqual(['times']);
    const folder: TarEntry = { name: 'package', type: 'directory' };
    expect(await same(await tar([folder, one]), await tar([one, folder]))).toEqual(['order']);
    expect(await same(await tar(all), Buffer.concat([await tar(all), Buffer.alloc(512)]))).toEqual([
      'padding',
    ]);
    const dir = await scratch();
    await mkdir(join(dir, 'd'));
    await writeFile(join(dir, 'd', 'one'), 'one');
    await writeFile(join(dir, 'd', 'n'.repeat(150)), 'long name');
    await symlink('one', join(dir, 'd', 'link'));
    const made = (format: string, ...more: string[]) =>
      run('tar', ['-c', `--format=${format}`, '--sort=name', ...more, 'd'], dir);
    for (const format of ['gnu', 'posix', 'pax']) {
      await utimes(join(dir, 'd', 'one'), 1, 1.5);
      const before = made(format);
      await utimes(join(dir, 'd', 'one'), 1, 7.25);
      expect(await same(before, made(format))).toEqual(['times']);
      expect(await members(before, made(format, '--owner=somebody:7'))).toContain('d: metadata');
    }
  });

  it('are different in content, mode, target, kind and members', async () => {
    const before = await tar([one, two, link]);
    expect(await members(before, await tar([{ ...one, body: 'onE\n' }, two, link]))).toEqual([
      'package/one: content',
    ]);
    const others = await tar([
      { ...one, mode: 0o600 },
      { ...two, type: 'directory', body: '' },
      { ...link, linkname: 'two' },
    ]);
    expect(await members(before, others)).toEqual([
      'package/link: target',
      'package/one: mode',
      'package/two: kind,content',
    ]);
    expect(await members(before, await tar([one, two]))).toEqual(['package/link: ']);
    const attribute = { ...one, pax: { 'SCHILY.xattr.user.x': 'y' } };
    expect(await members(before, await tar([attribute, two, link]))).toEqual(['package/one: metadata']);
  });

  it('are never the same with a member twice, in any spelling', async () => {
    const before = await tar([one, { ...one, body: 'other' }]);
    expect(await reasons(before, await tar([later(one), { ...one, body: 'other' }]))).toContain(
      'a member twice',
    );
    const spelled = await tar([one, { ...one, name: './package//one' }]);
    expect(await reasons(spelled, await tar([later(one), { ...one, name: './package//one' }]))).toContain(
      'a member twice',
    );
  });

  it('are different in their order where that counts', async () => {
    const hard: TarEntry = { name: 'hard', type: 'link', linkname: 'package/one' };
    expect(await reasons(await tar([one, hard]), await tar([hard, one]))).toContain('is a hard link');
    const through: TarEntry = { name: 'package/link/x', body: 'x' };
    expect(await reasons(await tar([link, through]), await tar([through, link]))).toContain('is below');
    const up: TarEntry = { name: 'package/../x', body: 'x' };
    expect(await reasons(await tar([one, up]), await tar([up, one]))).toContain('leads upwards');
    const device: TarEntry = { name: 'null', type: 'character-device', devmajor: 1, devminor: 3 };
    expect(await reasons(await tar([one, device]), await tar([device, one]))).toContain('neither a file');
  });

  it('are different with bytes that belong to no member', async () => {
    const before = await tar([one, two]);
    const hidden = Buffer.concat([before, await tar([link])]);
    expect(await reasons(before, hidden)).toContain('goes on behind its end');
    expect(await reasons(before, Buffer.concat([before, Buffer.from('x'.repeat(512))]))).toMatch(/b: it/);
    const padded = Buffer.from(before);
    padded[512 + 100] = 1;
    expect(await reasons(before, padded)).toContain('bytes between its members');
    const filled = Buffer.from(before);
    filled.write('5', 156);
    filled.fill(' ', 148, 156);
    const sum = filled.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    filled.write(sum.toString(8).padStart(6, '0'), 148);
    expect(await reasons(before, filled)).toBe('b: it has a folder with content');
    const last = Buffer.from(before);
    last[3 * 512 + 100] = 1;
    expect(await reasons(before, last)).toBe('b: it has bytes behind its last member');
    expect(await reasons(before, before.subarray(0, 600))).toContain('not a whole tar archive');
  });

  /** A header of a tar, and what follows it in whole blocks. */
  function block(kind: string, content: string, size = content.length.toString(8).padStart(11, '0')): Buffer {
    const head = Buffer.alloc(512);
    head.write('name', 0);
    head.write('0000644\u00000000000\u00000000000\u0000', 100, 'latin1');
    head.write(size, 124, 'latin1');
    head.write('00000000000\u0000        ', 136, 'latin1');
    head.write(kind, 156, 'latin1');
    head.write('ustar\u000000', 257, 'latin1');
    const sum = head.reduce((all, byte) => all + byte, 0);
    head.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 'latin1');
    return Buffer.concat([head, Buffer.from(content), Buffer.alloc(-content.length & 511)]);
  }

  it.each<[string, () => Buffer, string]>([
    ['of another length', () => block('x', '99 path=a\n'), 'it has an extended header that cannot be read'],
    ['without a value', () => block('x', '7 path\n'), 'it has an extended header that cannot be read'],
    ['without an end', () => block('x', '10 path=abc'), 'it has an extended header that cannot be read'],
    ['that is empty', () => Buffer.concat([block('L', ''), block('0', 'a')]), 'it has an empty header'],
    ['of an old kind', () => block('N', 'a\u0000'), 'it has headers that belong to no member'],
    [
      'with bytes behind it',
      () => {
        const made = block('x', '10 path=a\n');
        made[made.length - 1] = 1;
        return made;
      },
      'it has bytes between its members',
    ],
    [
      'whose length is in binary',
      () => block('x', '10 path=a\n', `\u0080${'\u0000'.repeat(10)}\u000a`),
      'it has an extended header without an end',
    ],
  ])('are different where one has an extended header %s', async (_, extended, says) => {
    const end = Buffer.concat([block('0', 'one'), Buffer.alloc(1024)]);
    const fine = Buffer.concat([block('x', '10 path=a\n'), end]);
    expect(await same(fine, Buffer.concat([fine, Buffer.alloc(512)]))).toEqual(['padding']);
    expect(await reasons(fine, Buffer.concat([extended(), end]))).toBe(`b: ${says}`);
  });

  it('are not read where one has more between its members than the limit', async () => {
    const [a, b] = [await tar([one, two]), await tar([two, one])];
    withLimits(comparisonLimits, { headerBytesMax: a.length });
    expect(await same(a, b)).toEqual(['order']);
    withLimits(comparisonLimits, { headerBytesMax: a.length - 1 });
    expect(await reasons(a, b)).toContain('it has too much between its members');
  });

  it('have as many members together as the limit says', async () => {
    const [a, b] = [await tar([one, two]), await tar([two, one])];
    withLimits(comparisonLimits, { membersMax: 4 });
    expect(await same(a, b)).toEqual(['order']);
    withLimits(comparisonLimits, { membersMax: 3 });
    await expect(compare(a, b)).rejects.toMatchObject({ code: 'COMPARE_TOO_LARGE' });
  });
});

it('two files of different kinds, or of no kind that is known, are different', async () => {
  const bytes = await tar([one]);
  expect(await reasons(bytes, gzipSync(bytes))).toBe('a is tar, and b is gzip');
  expect(await reasons(bytes, Buffer.from('text'))).toBe('');
  expect(await reasons(Buffer.from('text'), Buffer.from('texT'))).toBe('');
  // A checksum of nothing is no header of a tar.
  const nothing = Buffer.alloc(1024);
  nothing.write('000400\0 ', 148, 'latin1');
  expect(await reasons(nothing, Buffer.concat([nothing, Buffer.from('x')]))).toBe('');
});
