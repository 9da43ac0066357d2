import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { LockedFile } from '../../src/dependencies/index.ts';
import { type Layout, layOut, layoutTar } from '../../src/dependencies/index.ts';
import { layoutLimits } from '../../src/dependencies/limits.ts';
import * as raw from '../sandbox/native/support.ts';
import { type Entry, readOutputs } from '../sandbox/support.ts';
import { withLimits } from '../support/with-limits.ts';
import { archive, Blobs, hex, lockedFile, npmFile } from './tools/support.ts';

const blobs = new Blobs();
const bytes = (text: string) => Buffer.from(text);
const url = (path: string) => ({ kind: 'registry' as const, url: `https://registry.example.org/${path}` });

const npm = (name: string, version: string, more: Partial<LockedFile> = {}) =>
  npmFile(blobs, [name, version, bytes(`${name} ${version}`)], more);
const pypi = (file: string, content: string) =>
  lockedFile({ ecosystem: 'pypi', name: 'x', version: '1', file, blob: blobs.add(bytes(content)) });

const paths = ({ files }: Layout) => files.map(({ path }) => path);
const codeOf = (act: () => unknown) => {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
};

const written = (layout: Layout, folder: 'dependencies' | '.cargo' = 'dependencies') =>
  readOutputs(layoutTar(layout, folder, blobs.open));

describe('a layout', () => {
  it('is of the tools whose lock files a job names', () => {
    const files = [npm('one', '1.0.0', { origin: url('one/-/one-1.0.0.tgz') })];
    expect(paths(layOut(['a/yarn.lock'], files))).toEqual(['dependencies/yarn/one-1.0.0.tgz']);
    const both = layOut(['package-lock.json', 'a/yarn.lock'], files);
    expect(Object.keys(both.env).sort()).toEqual([
      'YARN_YARN_OFFLINE_MIRROR',
      'npm_config_audit',
      'npm_config_cache',
      'npm_config_offline',
      'npm_config_registry',
    ]);
    expect(layOut([], [])).toEqual({ files: [], env: {} });
  });

  it('is sorted, and its stream depends on nothing but the files', async () => {
    const files = [pypi('b-1.whl', 'b'), pypi('a-1.whl', 'a'), pypi('b-1.whl', 'b')];
    const layout = layOut(['requirements.txt'], files);
    expect(paths(layout)).toEqual(['dependencies/pip/a-1.whl', 'dependencies/pip/b-1.whl']);
    expect(layOut(['requirements.txt'], files.toReversed())).toEqual(layout);
    const entries = await written(layout);
    expect(
      entries.map(({ header: { name, mode, mtime, uid }, text }) => [
        name,
        mode,
        mtime?.getTime(),
        uid,
        text,
      ]),
    ).toEqual([
      ['pip/a-1.whl', 0o644, 0, 0, 'a'],
      ['pip/b-1.whl', 0o644, 0, 0, 'b'],
    ]);
  });

  it('refuses an address without a name, and a name that no file system takes', () => {
    const addressed = (path: string) => [
      npm('one', '1.0.0', { origin: { kind: 'url', url: url(path).url } }),
    ];
    for (const path of ['', 'x/', `x/${'y'.repeat(256)}`])
      expect(codeOf(() => layOut(['yarn.lock'], addressed(path)))).toMatchObject({
        code: 'DEPENDENCIES_UNSUPPORTED',
      });
    expect(paths(layOut(['yarn.lock'], addressed(`x/${'y'.repeat(255)}`)))).toHaveLength(1);
  });

  it('has no place outside of its folders', () => {
    expect(() => layOut(['requirements.txt'], [pypi('../a-1.whl', 'a')])).toThrow('is a path of a layout');
  });

  it('ends with the error of a file that cannot be read', async () => {
    const failing = async function* () {
      yield bytes('a');
      throw new Error('a bad sector');
    };
    const layout = layOut(['requirements.txt'], [pypi('a-1.whl', 'aa'), pypi('b-1.whl', 'bb')]);
    await expect(readOutputs(layoutTar(layout, 'dependencies', failing))).rejects.toThrow('a bad sector');
  });

  it('stops reading where nobody wants more of it', async () => {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const endless = async function* () {
      try {
        for (;;) yield bytes('a'.repeat(10_000));
      } finally {
        resolve();
      }
    };
    const layout = layOut(['requirements.txt'], [pypi('a-1.whl', 'a'.repeat(4_000_000))]);
    const tar = layoutTar(layout, 'dependencies', endless);
    tar.once('readable', () => tar.destroy());
    await ended;
  });

  it('of npm has the content by its hash, and an index of what npm asks for', () => {
    const address = url('one/-/one-1.0.0.tgz').url;
    const one = npm('one', '1.0.0', { origin: url('one/-/one-1.0.0.tgz') });
    const { locked: _, ...unhashed } = npm('@own/two', '2.0.0');
    const { files } = layOut(['package-lock.json'], [one, unhashed]);
    const cache = 'dependencies/npm/_cacache';
    const sha512 = Buffer.from(one.locked?.slice('sha512-'.length) ?? '', 'base64').toString('hex');
    const sha256 = unhashed.integrity.digests[0] ?? '';
    const place = (hash: string) => `${hash.slice(0, 2)}/${hash.slice(2, 4)}/${hash.slice(4)}`;
    const content = files.filter((file) => 'blob' in file).map(({ path }) => path);
    expect(content.sort()).toEqual(
      [`${cache}/content-v2/sha256/${place(sha256)}`, `${cache}/content-v2/sha512/${place(sha512)}`].sort(),
    );
    const texts = new Map(files.flatMap((file) => ('text' in file ? [[file.path, file.text] as const] : [])));
    const indexed = (at: string) =>
      (
        texts.get(
          `${cache}/index-v5/${place(hex('sha256', bytes(`make-fetch-happen:request-cache:${at}`)))}`,
        ) ?? ''
      )
        .split('\n')
        .slice(1)
        .map((line) => {
          const [sum, entry = ''] = line.split('\t');
          expect(sum).toBe(hex('sha1', bytes(entry)));
          return JSON.parse(entry);
        });
    for (const at of [address, 'http://127.0.0.1:9/one/-/one-1.0.0.tgz'])
      expect(indexed(at)).toMatchObject([{ integrity: one.locked, size: one.blob.size }]);
    const tarball = 'http://127.0.0.1:9/@own/two/-/two-2.0.0.tgz';
    const integrity = `sha256-${Buffer.from(sha256, 'hex').toString('base64')}`;
    expect(indexed(tarball)).toMatchObject([{ integrity, size: unhashed.blob.size }]);
    const lists = indexed('http://127.0.0.1:9/@own%2ftwo');
    expect(indexed('http://127.0.0.1:9/one')).toEqual([]);
    expect(lists.map(({ metadata }) => metadata.reqHeaders.accept)).toEqual([
      ...[expect.stringContaining('vnd.npm.install'), 'application/json'],
    ]);
    const listed = Buffer.from(lists[0].integrity.slice('sha512-'.length), 'base64').toString('hex');
    const list = texts.get(`${cache}/content-v2/sha512/${place(listed)}`) ?? '';
    expect(lists[0].size).toBe(list.length);
    expect(JSON.parse(list)).toEqual({
      name: '@own/two',
      'dist-tags': {},
      time: { '2.0.0': '2000-01-01T00:00:00.000Z' },
      versions: { '2.0.0': { name: '@own/two', version: '2.0.0', dist: { tarball, integrity } } },
    });
  });

  it('of npm goes by the strongest of several hashes', () => {
    const locked = `sha1-${Buffer.from('aaa').toString('base64')} sha512-${Buffer.from('bbb').toString('base64')}?x`;
    const { files } = layOut(['package-lock.json'], [npm('one', '1.0.0', { locked })]);
    expect(files.find((file) => 'blob' in file)?.path).toContain('content-v2/sha512/62/62/62');
  });

  it('of cargo has a folder for each registry, and configuration that replaces it', () => {
    const crate = (name: string, more: Partial<LockedFile> = {}) =>
      lockedFile({
        ecosystem: 'cargo',
        name,
        version: '1.0.0',
        file: `${name}.crate`,
        blob: blobs.add(bytes(name)),
        ...more,
      });
    const own = {
      origin: { kind: 'registry' as const, registry: 'registry+https://own.example/index' },
      purl: 'pkg:cargo/b@1.0.0?repository_url=https://own.example/index',
    };
    const { files, env } = layOut(['Cargo.lock'], [crate('a'), crate('b', own), crate('c')]);
    expect(env).toEqual({ CARGO_NET_OFFLINE: 'true' });
    expect(paths({ files, env }).filter((path) => !path.endsWith('.json'))).toEqual([
      '.cargo/config.toml',
      ...['0/a', '1/b', '0/c'].map((at) => `dependencies/cargo/quorate-${at}-1.0.0`).sort(),
    ]);
    const config = files.find(({ path }) => path === '.cargo/config.toml');
    expect(config).toHaveProperty(
      'text',
      [
        ...['[source.crates-io]', 'replace-with = "quorate-0"', '[source.quorate-0]'],
        ...['directory = "/build/dependencies/cargo/quorate-0"', '', '[source.quorate-1-registry]'],
        ...['registry = "https://own.example/index"', 'replace-with = "quorate-1"', '[source.quorate-1]'],
        ...['directory = "/build/dependencies/cargo/quorate-1"', ''],
      ].join('\n'),
    );
  });

  it('leaves no listener behind, however long a file is', async () => {
    const layout = layOut(['requirements.txt'], [pypi('a-1.whl', 'a'.repeat(4_000_000))]);
    const chunked = async function* () {
      for (let n = 0; n < 400; n++) yield bytes('a'.repeat(10_000));
    };
    const warnings: string[] = [];
    const onWarning = ({ name }: Error) => warnings.push(name);
    process.on('warning', onWarning);
    const entries = await readOutputs(layoutTar(layout, 'dependencies', chunked));
    await new Promise(setImmediate);
    process.off('warning', onWarning);
    expect(entries.map(({ header: { size } }) => size)).toEqual([4_000_000]);
    expect(warnings).toEqual([]);
  });

  it('has the name of a scoped package in the mirror of yarn, and that of an address of another form', () => {
    const files = [
      npm('@scope/one', '1.0.0', { origin: url('@scope/one/-/one-1.0.0.tgz') }),
      npm('two', '2.0.0', { origin: { kind: 'url', url: 'https://example.org/archive/two.tar.gz?token=1' } }),
    ];
    expect(paths(layOut(['yarn.lock'], files))).toEqual([
      'dependencies/yarn/@scope-one-1.0.0.tgz',
      'dependencies/yarn/two.tar.gz',
    ]);
  });

  it('escapes capital letters of Go modules, and takes the .info that is fixed', () => {
    const go = (file: string) =>
      lockedFile({
        ecosystem: 'go',
        name: 'example.org/Some/Lib',
        version: 'v1.0.0-RC1',
        file,
        blob: blobs.add(bytes(file)),
      });
    const laid = layOut(['go.sum'], [go('v1.0.0-RC1.zip'), go('v1.0.0-RC1.info')]);
    const folder = 'dependencies/go/example.org/!some/!lib/@v/v1.0.0-!r!c1';
    expect(paths(laid)).toEqual([`${folder}.info`, `${folder}.zip`]);
    expect(laid.files[0]).toHaveProperty('blob');
  });

  it('refuses two files of one place, and tools that contradict each other', () => {
    const clash = [pypi('a-1.whl', 'one'), pypi('a-1.whl', 'another')];
    expect(codeOf(() => layOut(['requirements.txt'], clash))).toMatchObject({
      code: 'DEPENDENCIES_CONFLICT',
      message: expect.stringContaining('/build/dependencies/pip/a-1.whl'),
    });
    const one = [npm('one', '1.0.0')];
    expect(codeOf(() => layOut(['package-lock.json', 'pnpm-lock.yaml'], one))).toMatchObject({
      code: 'DEPENDENCIES_CONFLICT',
      message: expect.stringContaining('npm_config_registry'),
    });
  });

  it.each([
    [
      'package-lock.json',
      { origin: { kind: 'git', url: 'https://example.org/one.git', commit: 'a'.repeat(40) } },
    ],
    ['pnpm-lock.yaml', { origin: { kind: 'url', url: 'https://example.org/one.tgz' } }],
    ['pnpm-lock.yaml', { origin: url('one/-/one-1.0.0.tgz') }],
    ['yarn.lock', {}],
    ['yarn.lock', { origin: { kind: 'git', url: 'https://example.org/one.git', commit: 'a'.repeat(40) } }],
    ['requirements.txt', { ecosystem: 'pypi', origin: { kind: 'url', url: 'https://example.org/one.whl' } }],
    [
      'Cargo.lock',
      {
        ecosystem: 'cargo',
        origin: { kind: 'git', url: 'https://example.org/one.git', commit: 'a'.repeat(40) },
      },
    ],
  ] as [string, Partial<LockedFile>][])(
    'refuses by name what the tool of %s cannot install: %j',
    (lock, more) => {
      expect(codeOf(() => layOut([lock], [npm('one', '1.0.0', more)]))).toMatchObject({
        code: 'DEPENDENCIES_UNSUPPORTED',
        message: expect.stringMatching(/^pkg:[a-z]+\/one@1\.0\.0: /),
        hint: expect.stringMatching(/\.$/),
      });
    },
  );
});

describe('a crate', () => {
  const unpacked = async (...entries: Entry[]) => {
    const blob = blobs.add(await archive(entries));
    const crate = lockedFile({
      ecosystem: 'cargo',
      name: 'x',
      version: '1.0.0',
      file: 'x-1.0.0.crate',
      blob,
    });
    return written(layOut(['Cargo.lock'], [crate]));
  };

  it('is unpacked, with the hash of the lock beside it', async () => {
    const entries = await unpacked(
      { name: 'x-1.0.0/', type: 'directory' },
      { name: 'x-1.0.0/Cargo.toml', content: 'x' },
      { name: 'x-1.0.0/.cargo-checksum.json', content: '{}' },
      { name: 'x-1.0.0/bin/run.sh', content: 'y', mode: 0o777 },
    );
    expect(entries.map(({ header: { name, mode } }) => [name, mode])).toEqual([
      ['cargo/quorate-0/x-1.0.0/Cargo.toml', 0o644],
      ['cargo/quorate-0/x-1.0.0/bin/run.sh', 0o755],
      ['cargo/quorate-0/x-1.0.0/.cargo-checksum.json', 0o644],
    ]);
    expect(JSON.parse(entries.at(-1)?.text ?? '')).toEqual({
      files: {},
      package: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it.each([
    ['a file outside', { name: 'y-1.0.0/Cargo.toml', content: 'x' }],
    ['a way out', { name: 'x-1.0.0/../../../x', content: 'x' }],
    // The part behind its NUL would be lost: this one would take the place of the folder.
    ['a name that ends early', { name: 'x', pax: { path: 'x-1.0.0/\0' }, content: 'x' }],
    ['a link', { name: 'x-1.0.0/link', type: 'symlink' as const, linkname: '/etc/passwd' }],
  ])('with %s is refused', async (_, entry) => {
    await expect(unpacked(entry)).rejects.toMatchObject({ code: 'DEPENDENCIES_ARCHIVE_INVALID' });
  });

  /** A crate whose only file says that it has this size. */
  async function sayingSize(size: number): Promise<Buffer> {
    const tar = gunzipSync(await archive([{ name: 'x-1.0.0/a', content: 'a' }]));
    tar.write(`${size.toString(8).padStart(11, '0')} `, 124, 'latin1');
    tar.fill(' ', 148, 156);
    const sum = tar.subarray(0, 512).reduce((all, byte) => all + byte, 0);
    tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return gzipSync(tar);
  }

  /** A crate of empty files. */
  async function manyFiles(count: number): Promise<Buffer> {
    const one = gunzipSync(await archive([{ name: 'x-1.0.0/a', content: '' }]));
    return gzipSync(Buffer.concat([Buffer.alloc(count * 512, one.subarray(0, 512)), Buffer.alloc(1024)]));
  }

  it('has as many files as the limit says', async () => {
    withLimits(layoutLimits, { crateFilesMax: 2 });
    const files = (count: number) =>
      unpacked(...Array.from({ length: count }, (_, n) => ({ name: `x-1.0.0/${n}`, content: 'x' })));
    expect(await files(2)).toHaveLength(3);
    await expect(files(3)).rejects.toThrow('it unpacks to more than the limit');
  });

  it('that is no archive, or cut, or unpacks to more than the limit is refused', async () => {
    withLimits(layoutLimits, { crateBytesMax: 1024 ** 2, crateFilesMax: 500 });
    const whole = await archive([{ name: 'x-1.0.0/a', content: 'a'.repeat(9_000) }]);
    const limit = layoutLimits.crateBytesMax;
    // Zeros after the end are no file, and unpack to a thousand times their size.
    const padded = Buffer.concat([whole, gzipSync(Buffer.alloc(2 * layoutLimits.aheadBytesMax))]);
    for (const [crate, why] of [
      [bytes('no gzip'), 'incorrect header check'],
      [whole.subarray(0, -20), 'unexpected end of file'],
      [
        gzipSync(Buffer.concat([raw.header({ name: 'x', type: 'L' }), raw.file('x-1.0.0/a', 'a'), raw.end])),
        'it has an empty header',
      ],
      [await sayingSize(limit + 1), 'it unpacks to more than the limit'],
      [await manyFiles(layoutLimits.crateFilesMax + 1), 'it unpacks to more than the limit'],
      // The archive has fewer bytes than this entry states: it is cut short, which is another error.
      [await sayingSize(limit), 'Unexpected end of data'],
      [padded, 'it unpacks to more than its files'],
    ] as const) {
      const locked = lockedFile({
        ecosystem: 'cargo',
        name: 'x',
        version: '1.0.0',
        file: 'x-1.0.0.crate',
        blob: blobs.add(crate),
      });
      await expect(written(layOut(['Cargo.lock'], [locked]))).rejects.toMatchObject({
        code: 'DEPENDENCIES_ARCHIVE_INVALID',
        message: `the crate x-1.0.0: ${why}`,
      });
    }
  });
});
