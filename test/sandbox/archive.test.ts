import { Readable } from 'node:stream';
import { expect, it, onTestFinished } from 'vitest';
import { joinArchives } from '../../sandbox/archive.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import * as raw from './native/support.ts';
import { type Entry, readOutputs, tarOf } from './support.ts';

const out = { name: 'out', mode: 0o755, type: 'directory' } as const;
const join = (entries: Entry[]) => readOutputs(joinArchives([{ folder: 'src', tar: tarOf(entries) }], [out]));

it('puts each part below its folder and the empty places last', async () => {
  const long = `${'d'.repeat(120)}/${'f'.repeat(120)}`;
  const joined = joinArchives(
    [
      {
        folder: 'src',
        tar: tarOf([
          { name: 'a', content: 'A', mode: 0o4755 },
          { name: long, content: 'L' },
        ]),
      },
      {
        folder: 'in/dep',
        tar: tarOf([
          { name: './b', content: 'B' },
          { name: 'soft', type: 'symlink', linkname: '../b' },
          { name: 'hard', type: 'link', linkname: './b' },
        ]),
      },
    ],
    [{ name: 'pipe', mode: 0o666, type: 'fifo' }, { name: 'tmp', mode: 0o1777, type: 'directory' }, out],
  );
  const entries = await readOutputs(joined);
  expect(entries.map(({ header }) => [header.name, header.type, header.linkname ?? ''])).toEqual([
    ['src/', 'directory', ''],
    ['src/a', 'file', ''],
    [`src/${long}`, 'file', ''],
    ['in/dep/', 'directory', ''],
    ['in/dep/b', 'file', ''],
    ['in/dep/soft', 'symlink', '../b'],
    ['in/dep/hard', 'link', 'in/dep/b'],
    ['pipe', 'fifo', ''],
    ['tmp/', 'directory', ''],
    ['out/', 'directory', ''],
  ]);
  expect(entries[1]?.header.mode).toBe(0o755);
  expect(entries.at(-2)?.header.mode).toBe(0o1777);
});

it('refuses paths that leave the folder and things that are no files', async () => {
  const bad: Entry[] = [
    { name: '../x', content: '' },
    { name: 'a/../../x', content: '' },
    { name: '/etc/passwd', content: '' },
    { name: 'h', type: 'link', linkname: '../../x' },
    { name: 'f', type: 'fifo' },
    { name: 'd', type: 'block-device', devmajor: 8, devminor: 0 },
  ];
  for (const entry of bad) {
    await expect(join([entry])).rejects.toMatchObject({ code: 'SANDBOX_JOB_INVALID' });
  }
});

it('holds as many entries as a tree may have, over all parts, and no more', async () => {
  const { treeEntriesMax } = limits;
  onTestFinished(() => void Object.assign(limits, { treeEntriesMax }));
  Object.assign(limits, { treeEntriesMax: 3 });
  const parts = (second: number) => [
    {
      folder: 'src',
      tar: tarOf([
        { name: 'a', content: '' },
        { name: 'b', content: 'B' },
      ]),
    },
    { folder: 'in/x', tar: tarOf(Array.from({ length: second }, (_, n) => ({ name: `${n}`, content: '' }))) },
  ];
  expect(await readOutputs(joinArchives(parts(1), [out]))).toHaveLength(6);
  await expect(readOutputs(joinArchives(parts(2), [out]))).rejects.toMatchObject({
    code: 'SANDBOX_JOB_INVALID',
    message: expect.stringContaining('more than 3 entries'),
  });
});

it.each(['L', 'K', 'x', 'g'])('refuses an extended header of type %s that is empty', async (type) => {
  const blocks = [raw.header({ name: 'x', type }), raw.file('a', 'A'), raw.end];
  const joined = joinArchives([{ folder: 'src', tar: Readable.from([Buffer.concat(blocks)]) }], [out]);
  await expect(readOutputs(joined)).rejects.toThrow('source or input: an empty header');
});

it('closes its parts when its reader goes away', async () => {
  const tar = tarOf([{ name: 'a', content: 'x'.repeat(2 ** 20) }]);
  const later = new Readable({ read: () => {} });
  const joined = joinArchives(
    [
      { folder: 'src', tar },
      { folder: 'in/x', tar: later },
    ],
    [out],
  );
  for await (const _ of joined) break;
  await expect.poll(() => [tar.destroyed, later.destroyed]).toEqual([true, true]);
});

it('fails, and does not end, when a part breaks off', async () => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of tarOf([{ name: 'a', content: 'x'.repeat(5000) }]) as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
  }
  const whole = Buffer.concat(chunks);
  const parts = [Readable.from([whole.subarray(0, 1024)]), new Readable({ read: () => {} })];
  setTimeout(() => parts[1]?.destroy(new Error('gone')), 10);
  for (const tar of parts) {
    const joined = joinArchives([{ folder: 'src', tar }], [out]);
    await expect(readOutputs(joined)).rejects.toMatchObject({ code: 'SANDBOX_JOB_INVALID' });
  }
});
