import { symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Budget } from '../../src/image/layer.ts';
import { imageLimits } from '../../src/image/limits.ts';
import { Root } from '../../src/image/root-tree.ts';
import { header } from '../sandbox/native/support.ts';
import { withLimits } from '../support/with-limits.ts';
import {
  dir,
  file,
  hardLink,
  type LayerEntry,
  type Layout,
  layoutOf,
  link,
  read,
  savedOf,
  scratch,
  tarOf,
  writeLayout,
  writeTarOf,
} from './support.ts';

const refused = async (layers: readonly (readonly LayerEntry[] | Buffer)[], message: RegExp): Promise<void> =>
  expect(read(await writeLayout(await layoutOf(layers)))).rejects.toMatchObject({
    code: expect.stringMatching(/^IMAGE_(INVALID|UNFIT)$/),
    message: expect.stringMatching(message),
  });

const changed = async (change: (layout: Layout) => void): Promise<string> => {
  const layout = await layoutOf([[file('a', 'x')]]);
  change(layout);
  return writeLayout(layout);
};
const layerName = ({ layers }: Layout): string => `blobs/${layers[0]?.digest.replace(':', '/')}`;

describe('an image is refused when', () => {
  it('there is none, or something else', async () => {
    const at = await scratch();
    const code = (path: string, wanted: string) => expect(read(path)).rejects.toMatchObject({ code: wanted });
    await code(join(at, 'none'), 'IMAGE_NOT_FOUND');
    await code(at, 'IMAGE_INVALID');
    await code('/dev/null', 'IMAGE_INVALID');
    await writeFile(join(at, 'text'), 'no tar'.repeat(1000));
    await code(join(at, 'text'), 'IMAGE_INVALID');
    await writeFile(join(at, 'zipped'), gzipSync(await tarOf([file('index.json')])));
    await code(join(at, 'zipped'), 'IMAGE_INVALID');
    await code(await writeTarOf(new Map([['hello', Buffer.from('x')]])), 'IMAGE_INVALID');
  });

  it('a byte of it was changed, or it was cut', async () => {
    const flip = (bytes: Buffer | undefined, at: number) => bytes?.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    const last = (layout: Layout) =>
      flip(layout.files.get(layerName(layout)), -1 + (layout.layers[0]?.size ?? 0));
    const ways: ((layout: Layout) => void)[] = [
      last,
      (layout) => layout.files.delete(layerName(layout)),
      (layout) => layout.files.set(layerName(layout), Buffer.alloc(0)),
      (layout) => layout.files.set('index.json', Buffer.from('{')),
      (layout) => layout.files.set('index.json', Buffer.from('{"manifests":[{"digest":"sha256:../../x"}]}')),
      ({ files }) => {
        for (const [name, bytes] of files)
          if (String(bytes).includes('"config"')) files.set(name, Buffer.concat([bytes, Buffer.from(' ')]));
      },
    ];
    for (const way of ways)
      await expect(read(await changed(way))).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    const saved = await savedOf([[file('a', 'x'.repeat(3000))]]);
    flip(saved.get('0/layer.tar'), 600);
    await expect(read(await writeTarOf(saved))).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    const cut = await writeTarOf(await savedOf([[file('a', 'x'.repeat(3000))]]));
    await truncate(cut, 4000);
    await expect(read(cut)).rejects.toMatchObject({
      code: 'IMAGE_INVALID',
    });
  });

  it('it is for another processor', async () => {
    const at = await writeLayout(await layoutOf([[file('a')]], { architecture: 'arm64' }));
    await expect(read(at)).rejects.toMatchObject({ code: 'IMAGE_ARCH_MISMATCH' });
  });

  it('a layer is no tar archive, or no layer', async () => {
    await refused([Buffer.from('rubbish '.repeat(100))], /^the image is damaged: /);
    const at = await changed(({ files }) => {
      for (const [name, bytes] of files)
        files.set(name, Buffer.from(String(bytes).replace('image.layer', 'image.laser')));
    });
    await expect(read(at)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  it('a path of it is absolute, climbs, is too long or no UTF-8', async () => {
    const long = 'n'.repeat(256);
    for (const name of ['/etc/x', '../x', 'a/../../x', 'a/..', long, `${'a/'.repeat(70)}x`, 'a\ufffd'])
      await refused([[file(name)]], /^the entry /);
    await refused([[link('l', 'x'.repeat(4097))]], /^the entry /);
    await refused([[hardLink('h', '../../etc/shadow')]], /^the entry /);
    await refused([[file('a/.wh...')]], /^the entry /);
    await refused([[file('a/.wh.')]], /^the image is damaged: /);
  });

  it('its layers do not fit together', async () => {
    await refused([[file('f')], [file('f/x')]], /^the entry /);
    await refused([[hardLink('h', 'missing')]], /^the entry /);
    await refused([[dir('d'), hardLink('h', 'd')]], /^the entry /);
    await refused([[link('a', 'b'), link('b', 'a'), file('a/x')]], /^the entry /);
    await refused([[link('etc', 'usr/etc'), file('usr/etc/x')]], /not a root file system/);
  });

  it.each(['L', 'K', 'x', 'g'])('an archive has an empty extended header of type %s', async (type) => {
    const at = join(await scratch(), 'empty.tar');
    await writeFile(
      at,
      Buffer.concat([header({ name: 'x', type }), await tarOf([file('index.json', '{}')])]),
    );
    const message = expect.stringContaining('empty header');
    await expect(read(at)).rejects.toMatchObject({ code: 'IMAGE_INVALID', message });
  });

  it('an archive names a file twice, or a link in it leads nowhere', async () => {
    const at = join(await scratch(), 'twice.tar');
    await writeFile(at, await tarOf([file('index.json', '{}'), file('index.json', '{}')]));
    await expect(read(at)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
    const saved = await savedOf([[file('a')]]);
    const files = [...saved].map(([name, body]) =>
      name.endsWith('layer.tar') ? link(name, '/etc/passwd') : { name, body },
    );
    await writeFile(`${at}2`, await tarOf(files));
    await expect(read(`${at}2`)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  it('a blob of a folder is a link to a file of the machine', async () => {
    const at = await changed((layout) => layout.files.delete('index.json'));
    await symlink('/etc/hostname', join(at, 'index.json'));
    await expect(read(at)).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });
});

describe('an image has bounds:', () => {
  it('bytes and entries of all its layers', () => {
    const budget = new Budget();
    budget.bytes(16 * 1024 ** 3);
    expect(() => budget.bytes(1)).toThrow(expect.objectContaining({ code: 'IMAGE_TOO_LARGE' }));
    expect(() => {
      for (let n = 0; n < 500_001; n++) budget.entry();
    }).toThrow(expect.objectContaining({ code: 'IMAGE_TOO_LARGE' }));
  });

  it('steps, when each entry leads over long links', () => {
    withLimits(imageLimits, { stepsMax: 500_000 });
    const root = new Root();
    root.addLink(['l'], 'd/../'.repeat(800), 0);
    root.addFolder(['d'], 0);
    expect(() => {
      for (let n = 0; n < 1_000; n++) root.addFile(['l', `${n}`], { layer: 0, at: 0, size: 0 }, false);
    }).toThrow(expect.objectContaining({ code: 'IMAGE_TOO_LARGE' }));
  });
});
