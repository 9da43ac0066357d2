import { lutimes, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { comparisonLimits } from '../../../src/client/comparison/limits.ts';
import { withLimits } from '../../support/with-limits.ts';
import { compare, different, members, reasons, run, same, scratch } from './support.ts';

describe('two zips', () => {
  async function folder(): Promise<string> {
    const dir = await scratch();
    await writeFile(join(dir, 'one'), 'one '.repeat(5000));
    await writeFile(join(dir, 'two'), 'two');
    await symlink('one', join(dir, 'link'));
    // zip keeps the times of the last access too. That of a file that was read after all its changes is left as it is (relatime).
    const [read, written] = [Date.now() / 1000 + 3600, Date.now() / 1000 - 3600];
    for (const name of ['one', 'two', 'link']) await lutimes(join(dir, name), read, written);
    return dir;
  }
  const zip = async (dir: string, name: string, ...args: string[]): Promise<Buffer> => {
    run('zip', ['-q', '-y', name, ...args], dir);
    return readFile(join(dir, name));
  };

  it("are the same but for compression, order and times, by Debian's zip", async () => {
    const dir = await folder();
    const before = await zip(dir, 'a.zip', '-9', 'one', 'two', 'link');
    expect(await same(before, await zip(dir, 'b.zip', '-0', 'one', 'two', 'link'))).toEqual(['zip']);
    expect(await same(before, await zip(dir, 'c.zip', '-1', 'two', 'link', 'one'))).toEqual(['zip', 'order']);
    await utimes(join(dir, 'one'), 1_000_000_000, 1_000_000_000);
    expect(await same(before, await zip(dir, 'd.zip', '-9', 'one', 'two', 'link'))).toEqual(['zip', 'times']);
    run('sh', ['-c', 'zip -q -y - one two link > e.zip'], dir);
    expect(await same(before, await readFile(join(dir, 'e.zip')))).toContain('zip');
  });

  it('are different in content, mode and members', async () => {
    const dir = await folder();
    const before = await zip(dir, 'a.zip', 'one', 'two', 'link');
    await writeFile(join(dir, 'two'), 'twO');
    run('chmod', ['700', 'one'], dir);
    const after = await zip(dir, 'b.zip', 'one', 'two');
    expect(await members(before, after)).toEqual(['link: ', 'one: mode', 'two: content']);
  });

  it('are different with bytes that belong to no member, a comment, or damage', async () => {
    const dir = await folder();
    const before = await zip(dir, 'a.zip', '-X', 'one', 'two');
    const again = await zip(dir, 'b.zip', '-X', '-1', 'one', 'two');
    expect(await same(before, again)).toEqual(['zip']);
    const at = again.indexOf('PK\x01\x02', 0, 'latin1');
    const between = Buffer.concat([again.subarray(0, at), Buffer.from('more'), again.subarray(at)]);
    between.writeUInt32LE(at + 4, between.length - 6);
    expect(await reasons(before, between)).toBe('b: it has bytes that belong to no member');
    expect(await reasons(before, Buffer.concat([again, Buffer.from('more')]))).toMatch(
      /^b: it is not a whole zip/,
    );
    const comment = Buffer.concat([again, Buffer.from('more')]);
    comment.writeUInt16LE(4, again.length - 2);
    expect(await reasons(before, comment)).toBe('the metadata of the zip itself differs');
    const broken = Buffer.from(again);
    broken[60] = 0xff ^ Number(broken[60]);
    expect((await different(before, broken)).reasons).toHaveLength(1);
    expect(await reasons(before, again.subarray(0, -30))).toMatch(/^b: it is not a whole zip/);
    const renamed = Buffer.from(again);
    renamed.write('tvo', renamed.lastIndexOf('two'));
    expect(await reasons(before, renamed)).toBe('b: a member has two names');
    for (const name of ['dup-1', 'dup-2']) await writeFile(join(dir, name), name.slice(0, 3).repeat(99));
    const [twice, other] = [
      await zip(dir, 'c.zip', '-X', 'dup-1', 'dup-2'),
      await zip(dir, 'd.zip', '-X', '-0', 'dup-1', 'dup-2'),
    ].map((bytes) => Buffer.from(bytes.toString('latin1').replaceAll('dup-2', 'dup-1'), 'latin1'));
    if (twice === undefined || other === undefined) throw new Error('two archives');
    expect(await reasons(twice, other)).toContain('a member twice');
  });
});

describe('a zip whose headers differ', () => {
  interface Parts {
    local?: Partial<Record<'flags' | 'method' | 'crc' | 'size', number>>;
    /** In the directory, and in front of the member too. */
    both?: Parts['local'];
    /** Compressed content, with its length. */
    deflated?: number;
    /** Behind the content. */
    descriptor?: Buffer;
    content?: string;
    /** Its end says its numbers with 64 bits too. */
    is64?: boolean;
    /** Between the directory and the end. */
    gap?: string;
    extra?: number[];
    localExtra?: number[];
    before?: string;
    end?: Partial<Record<'count' | 'bytes', number>>;
  }
  /** One stored member. */
  function zipOf({ local, both, extra = [], localExtra = [], before = '', end, ...rest }: Parts): Buffer {
    const text = Buffer.from(rest.content ?? 'abc', 'latin1');
    const content = rest.deflated === undefined ? text : deflateRawSync(text);
    const header = (of: Parts['local'], more: number[], at?: number): Buffer => {
      const { flags, method, crc, size } = {
        flags: 0,
        method: rest.deflated === undefined ? 0 : 8,
        crc: crc32(text),
        size: content.length,
        ...both,
        ...of,
      };
      const isLocal = at === undefined;
      const bytes = Buffer.alloc(isLocal ? 30 : 46);
      bytes.writeUInt32LE(isLocal ? 0x04034b50 : 0x02014b50);
      const from = isLocal ? 4 : 6;
      if (!isLocal) bytes.writeUInt16LE(20, 4);
      for (const [n, value] of [20, flags, method, 0, 0x21].entries())
        bytes.writeUInt16LE(value, from + 2 * n);
      for (const [n, value] of [crc, size, rest.deflated ?? size].entries())
        bytes.writeUInt32LE(value, from + 10 + 4 * n);
      bytes.writeUInt16LE(1, from + 22);
      bytes.writeUInt16LE(more.length, from + 24);
      if (at !== undefined) bytes.writeUInt32LE(at, 42);
      return Buffer.concat([bytes, Buffer.from('f'), Buffer.from(more)]);
    };
    const member = Buffer.concat(
      [Buffer.from(before), header(local, localExtra), content, rest.descriptor ?? ''].map((part) =>
        Buffer.from(part),
      ),
    );
    const directory = header({}, extra, before.length);
    const last = Buffer.alloc(22);
    last.writeUInt32LE(0x06054b50);
    last.writeUInt16LE(end?.count ?? 1, 8);
    last.writeUInt16LE(1, 10);
    last.writeUInt32LE(end?.bytes ?? directory.length, 12);
    last.writeUInt32LE(member.length, 16);
    if (rest.is64 !== true) return Buffer.concat([member, directory, Buffer.from(rest.gap ?? ''), last]);
    const end64 = Buffer.alloc(76);
    end64.write('PK\x06\x06\x2c', 'latin1');
    for (const at of [24, 32]) end64.writeUInt32LE(1, at);
    end64.writeUInt32LE(directory.length, 40);
    end64.writeUInt32LE(member.length, 48);
    end64.write('PK\x06\x07', 56, 'latin1');
    end64.writeUInt32LE(member.length + directory.length, 64);
    end64.writeUInt32LE(1, 72);
    return Buffer.concat([member, directory, end64, last]);
  }
  const good = zipOf({});
  const wide = (...values: number[]) => [1, 0, values.length, 0, ...values];
  const eight = (value: number) => [value, 0, 0, 0, 0, 0, 0, 0];

  it('is the same as one that has more room for its sizes: the control', async () => {
    expect(await compare(good, zipOf({ extra: wide(...eight(3), ...eight(3)) }))).not.toHaveProperty(
      'reasons.0',
    );
    const descriptor = good.subarray(14, 26);
    const content = 'aPK\x07\x08';
    expect(await same(zipOf({ content }), zipOf({ content, is64: true }))).toEqual(['zip']);
    for (const parts of [{ is64: true }, { deflated: 3 }, { both: { flags: 8 }, descriptor }])
      expect(await same(good, zipOf(parts))).toEqual(['zip']);
  });

  it('is unpacked as far as the limit', async () => {
    const other = zipOf({ is64: true });
    withLimits(comparisonLimits, { unpackedBytesMax: 6 });
    expect(await same(good, other)).toEqual(['zip']);
    withLimits(comparisonLimits, { unpackedBytesMax: 5 });
    await expect(compare(good, other)).rejects.toMatchObject({ code: 'COMPARE_TOO_LARGE' });
  });

  it('is none where there is only its mark', async () => {
    expect(await reasons(good.subarray(0, 4), good)).toMatch(/^a: it is not a whole zip archive/);
  });

  it.each<[string, Parts, string]>([
    ['bytes in front of its end', { gap: 'more' }, 'it has bytes between its directory and its end'],
    ['encrypted', { both: { flags: 1, method: 8 } }, 'a member is encrypted'],
    ['flags of one', { local: { flags: 2 } }, 'a member has two headers that differ'],
    ['a method of one', { local: { method: 8 } }, 'a member has two headers that differ'],
    ['a checksum of one', { local: { crc: 1 } }, 'a member has two headers that differ'],
    ['a size of one', { local: { size: 2 } }, 'a member has two headers that differ'],
    [
      'another checksum',
      { both: { crc: 1 } },
      'a member does not have the checksum or the length that is stated',
    ],
    ['another length', { deflated: 4 }, 'a member does not have the checksum or the length that is stated'],
    [
      'an end within its content',
      {
        content: 'aPK\x07\x08',
        both: { flags: 8 },
        descriptor: zipOf({ content: 'aPK\x07\x08' }).subarray(14, 26),
      },
      'a member has no end that all readers find',
    ],
    ['an unknown method', { both: { method: 12 } }, 'a member is compressed by method 12, which is not read'],
    ['bytes in front', { before: 'PK\x03\x04' }, 'it has bytes that belong to no member'],
    ['a cut extra field', { localExtra: [9, 9] }, 'a member has an extra field that cannot be read'],
    [
      'two sizes',
      { localExtra: [...wide(...eight(3)), ...wide(...eight(3))] },
      'a member states its sizes twice',
    ],
    ['half a size', { localExtra: wide(1, 2, 3) }, 'a member has an extra field that cannot be read'],
    [
      'a disk that is not zero',
      { localExtra: wide(...eight(3), ...eight(3), 1, 0, 0, 0) },
      'a member has an extra field that cannot be read',
    ],
    ['another wide size', { localExtra: wide(...eight(4)) }, 'a member has two headers that differ'],
    ['another count at its end', { end: { count: 2 } }, 'its end says something else than its directory'],
    ['another size at its end', { end: { bytes: 7 } }, 'its end says something else than its directory'],
  ])('is different: %s', async (_which, parts, says) => {
    expect(await reasons(good, zipOf(parts))).toBe(`b: ${says}`);
    expect(await reasons(zipOf(parts), good)).toBe(`a: ${says}`);
  });

  it('have as many members together as the limit says', async () => {
    withLimits(comparisonLimits, { membersMax: 2 });
    expect(await same(good, zipOf({ is64: true }))).toEqual(['zip']);
    withLimits(comparisonLimits, { membersMax: 1 });
    await expect(compare(good, zipOf({ is64: true }))).rejects.toMatchObject({ code: 'COMPARE_TOO_LARGE' });
  });
});
