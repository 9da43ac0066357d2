import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { joinArchives } from '../../sandbox/archive.ts';
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
    await expect(join([entry])).rejects.toMatchObject({ code: 'SANDBOX_SOURCE_INVALID' });
  }
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
    await expect(readOutputs(joined)).rejects.toMatchObject({ code: 'SANDBOX_SOURCE_INVALID' });
  }
});
