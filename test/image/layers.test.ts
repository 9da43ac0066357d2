import { randomBytes } from 'node:crypto';
import { constants, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { relativeTarget } from '../../src/image/normalise.ts';
import {
  always,
  dir,
  file,
  hardLink,
  layoutOf,
  link,
  read,
  rest,
  savedOf,
  tarOf,
  writeLayout,
  writeTarOf,
} from './support.ts';

const base = [dir('usr'), dir('usr/bin'), file('usr/bin/tool', 'one', 0o755), link('bin', 'usr/bin')];

describe('an image is read from', () => {
  const layers = [base, [file('./usr/share/doc', 'two'), file('etc/conf', 'x')]];
  const wanted = [
    ...['bin -> usr/bin', ...always, 'etc/conf=x', 'usr/', 'usr/bin/', 'usr/bin/tool*=one'],
    ...['usr/share/', 'usr/share/doc=two'],
  ].sort();

  it.each(['tar', 'gzip', 'zstd'] as const)('a layout whose layers are %s', async (packing) => {
    const { list } = await read(await writeLayout(await layoutOf(layers, { packing })));
    expect(list.sort()).toEqual(wanted);
  });

  it('a layer of many Zstandard frames, and of frames to skip', async () => {
    const skipped = Buffer.concat([Buffer.from([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0]), Buffer.from('abc')]);
    const text = randomBytes(300_000).toString('base64');
    const tar = await tarOf([file('large', text), file('zeros', '0'.repeat(400_000))]);
    const frames = [skipped];
    for (let at = 0; at < tar.length; at += 100_000)
      frames.push(zstdCompressSync(tar.subarray(at, at + 100_000)), skipped);
    frames.push(zstdCompressSync(Buffer.alloc(0), { params: { [constants.ZSTD_c_checksumFlag]: 1 } }));
    const layout = await layoutOf([tar], { packing: 'zstd', packed: Buffer.concat(frames) });
    const { list } = await read(await writeLayout(layout));
    expect(list).toContain(`large=${text}`);
    const cut = await layoutOf([tar], { packing: 'zstd', packed: Buffer.concat(frames).subarray(0, -5) });
    await expect(read(await writeLayout(cut))).rejects.toMatchObject({ code: 'IMAGE_INVALID' });
  });

  it('a tar of a layout, and of what docker saves, as one and the same tree', async () => {
    const layout = await layoutOf(layers);
    const { tree } = await read(await writeLayout(layout));
    expect((await read(await writeTarOf(layout.files))).tree.root).toBe(tree.root);
    expect((await read(await writeTarOf(await savedOf(layers)))).tree.root).toBe(tree.root);
  });

  it('an index in an index, for each processor its own', async () => {
    const [amd, arm] = await Promise.all([
      layoutOf([[file('a', 'amd')]]),
      layoutOf([[file('a', 'arm')]], { architecture: 'arm64' }),
    ]);
    const manifests = [amd, arm].flatMap(({ files }, index) => {
      const [manifest] = JSON.parse(String(files.get('index.json'))).manifests;
      return { ...manifest, platform: { os: 'linux', architecture: index === 0 ? 'amd64' : 'arm64' } };
    });
    const note = { ...manifests[0], platform: { os: 'unknown', architecture: 'unknown' } };
    const files = new Map([...amd.files, ...arm.files]);
    files.set('index.json', Buffer.from(JSON.stringify({ manifests: [...manifests, note] })));
    const at = await writeTarOf(files);
    expect((await read(at)).list).toContain('a=amd');
    expect((await read(at, { arch: 'aarch64' })).list).toContain('a=arm');
  });

  it('an archive of several, by name', async () => {
    const one = await savedOf([[file('a', 'one')]], ['one:1']);
    const two = await savedOf([[file('a', 'two'), file('b')]], ['two:1']);
    const files = new Map([
      ...[...two].map(([name, bytes]): [string, Buffer] => [name.replace('0/', '1/'), bytes]),
      ...one,
    ]);
    const manifest = [one, two].map((saved) => JSON.parse(String(saved.get('manifest.json')))[0]);
    manifest[1].Layers = ['1/layer.tar'];
    files.set('manifest.json', Buffer.from(JSON.stringify(manifest)));
    const at = await writeTarOf(files);
    expect((await read(at, { name: 'two:1' })).list).toContain('a=two');
    await expect(read(at)).rejects.toMatchObject({
      code: 'IMAGE_AMBIGUOUS',
      hint: expect.stringContaining('one:1'),
    });
    await expect(read(at, { name: 'three' })).rejects.toMatchObject({ code: 'IMAGE_AMBIGUOUS' });
  });
});

describe('a later layer', () => {
  it('wins, whatever was there', async () => {
    const layers = [
      [file('f', 'old'), dir('d'), file('d/x', 'kept'), file('file', ''), dir('gone'), file('gone/x', '')],
      [
        file('f', 'new', 0o755),
        dir('d'),
        file('d/y', ''),
        dir('file'),
        file('file/in', ''),
        file('gone', 'file'),
      ],
    ];
    expect(await rest(layers)).toEqual([
      'd/',
      'd/x=kept',
      'd/y=',
      'f*=new',
      'file/',
      'file/in=',
      'gone=file',
    ]);
  });

  it('takes away what the layers below have, and nothing of its own', async () => {
    const layers = [
      [file('a', 'x'), dir('d'), file('d/old', ''), file('e/old', ''), file('e/sub/old', '')],
      [
        file('.wh.a'),
        file('d/new', ''),
        file('.wh.d'),
        file('e/sub/new', ''),
        file('e/.wh..wh..opq'),
        file('e/mine', ''),
      ],
      [file('.wh.never'), file('.wh..wh.plnk'), file('.wh..wh..opq/x', '')].slice(0, 2),
    ];
    expect(await rest(layers)).toEqual(['d/', 'd/new=', 'e/', 'e/mine=', 'e/sub/', 'e/sub/new=']);
  });

  it('writes through a link of a folder as the kernel would: never out of the root', async () => {
    const layers = [
      [...base, link('abs', '/usr'), link('up', '../../../usr/bin'), link('etc/x', '../../../../usr')],
      [file('bin/more', 'm'), file('abs/lib/so', 's'), file('up/third', 't'), file('etc/x/fourth', 'f')],
    ];
    expect(await rest(layers)).toEqual([
      ...['abs -> usr', 'bin -> usr/bin', 'etc/x -> ../usr', 'up -> usr/bin'],
      ...['usr/', 'usr/bin/', 'usr/bin/more=m', 'usr/bin/third=t', 'usr/bin/tool*=one', 'usr/fourth=f'],
      ...['usr/lib/', 'usr/lib/so=s'],
    ]);
  });

  it('replaces a link by a folder that it names, and follows none at the end of a path', async () => {
    const layers = [
      [...base, link('l', 'usr/bin/tool')],
      [dir('bin'), file('bin/own', 'o'), file('l', 'mine')],
    ];
    expect(await rest(layers)).toEqual([
      'bin/',
      'bin/own=o',
      'l=mine',
      'usr/',
      'usr/bin/',
      'usr/bin/tool*=one',
    ]);
  });
});

describe('of what a system has, an image keeps', () => {
  it('no devices, no owners, no setuid, and hard links as files', async () => {
    const entries = [
      { ...file('su', 'root', 0o4755), uid: 7, gid: 9 },
      hardLink('again', './su'),
      { name: 'null', type: 'character-device' as const, devmajor: 1, devminor: 3 },
      { name: 'pipe', type: 'fifo' as const },
    ];
    expect(await rest([entries])).toEqual(['again*=root', 'su*=root']);
  });

  it('no devices, processes or runtime files of the machine it was made on, and every place that the sandbox needs', async () => {
    const { list } = await read(
      await writeLayout(
        await layoutOf([
          [
            ...[
              file('dev/x'),
              file('proc/1/x'),
              file('sys/x'),
              file('run/x'),
              file('tmp/x'),
              file('build/x'),
            ],
            ...[file('etc/passwd', 'root:x'), file('etc/hostname', 'me'), file('etc/resolv.conf', 'x')],
            ...[link('etc/hosts', '/proc/hosts'), file('etc/machine-id', '1'), file('.dockerenv')],
          ],
        ]),
      ),
    );
    expect(list).toEqual(always);
  });

  it('names that differ in case only', async () => {
    expect(await rest([[file('xt_MARK.h', 'a'), file('xt_mark.h', 'b')]])).toEqual([
      'xt_MARK.h=a',
      'xt_mark.h=b',
    ]);
  });

  it('links that lead to the same place from there', () => {
    const cases: [path: string, target: string, wanted: string][] = [
      ['a', '/x/y', 'x/y'],
      ['a/b', '/x', '../x'],
      ['a/b/c', '/', '../..'],
      ['a', '/', '.'],
      ['a', '/../../x', 'x'],
      ['a', '../x', 'x'],
      ['a/b', '../x', '../x'],
      ['a/b', './../.././../x', './.././x'],
      ['a/b', 'c/../../../x', 'c/../../../x'],
      ['a', '..', '.'],
      ['a', '..//b', 'b'],
      ['a/b', 'c//d/', 'c/d'],
    ];
    expect(cases.map(([path, target]) => relativeTarget(path, target))).toEqual(
      cases.map(([, , wanted]) => wanted),
    );
  });
});
