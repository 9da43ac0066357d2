import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { type Layout, layoutTar } from '../../../src/dependencies/index.ts';
import { fromUtf8, toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  type Arch,
  decodeIndex,
  type Entry,
  encodeIndex,
  makeIndex,
  parseQuorateLock,
  readLocks,
  writeQuorateLock,
} from '../../../src/protocol/lock-formats/index.ts';
import { mutatedText } from '../arbitraries.ts';
import { tarBytes } from '../corpus.ts';
import { type AnyTarget, define, must } from '../target.ts';
import { archive } from './archives.ts';

const host = 'https://packages.example';
const sha512 = `sha512-${'A'.repeat(86)}==`;
const sha256 = '12'.repeat(32);
const commit = 'ab'.repeat(20);
const arch: Arch = 'x86_64';

const quorateLock = writeQuorateLock([
  { purl: 'pkg:generic/model.bin', file: 'model.bin', sha256, url: `${host}/model.bin` },
  { purl: 'pkg:npm/open@1.0.0', file: 'open-1.0.0.tgz', sha256 },
  { purl: 'pkg:pypi/a-b@1.0', file: 'a_b-1.0-py3-none-any.whl', sha256 },
]);

const filesOf = (path: string, text: string) =>
  new Map([
    ['quorate.lock', toUtf8(quorateLock)],
    [path, toUtf8(text)],
  ]);

/** Holds of every entry, whatever a lock file says. */
function checkEntry({ purl, file, name, integrity, origin, line, lock }: Entry, lines: number): void {
  must(/^pkg:[a-z]+\/[\x21-\x7e]+$/.test(purl), 'a package URL that is none');
  must(/^[A-Za-z0-9_@][^/\\\s]*$/.test(file), 'a name of a file with a path or white space in it');
  must(!name.split('/').some((part) => part === '..' || part === '.'), 'a name that is a path');
  must(
    integrity.digests.every((digest) => /^[0-9a-f]{64,128}$/.test(digest)),
    'a hash that is none',
  );
  must(integrity.digests.length > 0, 'an entry without a hash');
  const url = 'url' in origin ? (origin.url ?? '') : '';
  must(origin.kind === 'git' || !url.includes('@') || /^https?:\/\/[^@/?]+[/?]/.test(url), 'credentials');
  must(lock === 'quorate.lock' || (line >= 1 && line <= lines), 'a line that is not in the file');
}

const target = (name: string, path: string, seeds: readonly string[], extra: readonly string[]): AnyTarget =>
  define<string>({
    name,
    seeds: async () => seeds,
    arbitrary: (all) => mutatedText(all, extra),
    // The libraries for YAML and TOML keep the place of every character.
    msMax: 400,
    run(text) {
      const files = filesOf(path, text);
      const entries = readLocks([path], files, arch);
      const lines = text.split('\n').length;
      for (const entry of entries) checkEntry(entry, lines);
      const facts = { sha256, size: 1 };
      const index = makeIndex({ locks: [path], files, arch }, () => facts);
      const { bytes, cid } = encodeIndex(index);
      must(decodeIndex(bytes).cid === cid, 'an index that has two texts');
    },
  });

const npmLock = JSON.stringify(
  {
    lockfileVersion: 3,
    packages: {
      '': { name: 'x', workspaces: ['packages/*'] },
      'node_modules/@me/a': { resolved: 'packages/a', link: true },
      'node_modules/b': {
        version: '1.0.0',
        resolved: `${host}/b/-/b-1.0.0.tgz`,
        integrity: sha512,
        os: ['!win32'],
        cpu: ['x64'],
        optional: true,
      },
      'node_modules/b/node_modules/c': { version: '1.0.0', inBundle: true },
      'node_modules/open': { version: '1.0.0' },
      'packages/a': { version: '1.0.0' },
    },
  },
  null,
  1,
);
const pnpmLock = `lockfileVersion: '9.0'
packages:
  '@me/a@1.0.0':
    resolution: {integrity: ${sha512}}
    os: [linux]
  b@${host}/b.tgz:
    resolution: {tarball: ${host}/b.tgz, integrity: ${sha512}}
    version: 1.0.0
snapshots:
  '@me/a@1.0.0(b@1.0.0)':
    optional: true
`;
const yarnLock = `# yarn lockfile v1
"@me/a@^1.0.0", "@me/a@1":
  version "1.0.0"
  resolved "${host}/@me/a/-/a-1.0.0.tgz#${commit}"
  integrity ${sha512}
  dependencies:
    b "2"
`;
const cargoLock = `version = 4
[[package]]
name = "a"
version = "1.0.0"
source = "sparse+${host}/index/"
checksum = "${sha256}"
dependencies = [
 "b",
]
`;
const goSum = `code.example/A/b v1.0.0 h1:${'A'.repeat(43)}=\ncode.example/A/b v1.0.0/go.mod h1:${'A'.repeat(43)}=\n`;
const requirements = `--index-url ${host}/simple
a_B[x]==1.0 ; (sys_platform == 'linux' and python_version < "4") or os_name in 'nt' \\
    --hash=sha256:${sha256}  # why
c @ ${host}/c-1.zip --hash=sha256:${sha256}
`;

const crateFolder = 'dependencies/cargo/a-1.0.0';
const crateLayout: Layout = { files: [{ path: crateFolder, crate: { name: 'a', size: 1 } }], env: {} };

/** An archive in the form of a crate, as it is before it is compressed: what of it gets into a sandbox. */
const crate = define<Uint8Array>({
  name: 'crate',
  seeds: () =>
    Promise.all([
      tarBytes([{ name: 'a-1.0.0/Cargo.toml', body: '[package]\n' }, { name: 'a-1.0.0/src/lib.rs' }]),
      tarBytes([
        { name: 'a-1.0.0/', type: 'directory' },
        { name: 'a-1.0.0/build.sh', body: 'x'.repeat(600), mode: 0o755 },
        { name: `a-1.0.0/${'deep/'.repeat(40)}f`, pax: { comment: 'c' } },
      ]),
    ]),
  arbitrary: archive,
  msMax: 400,
  async run(bytes) {
    const reader = extract();
    const piped = pipeline(
      layoutTar(crateLayout, 'dependencies', async function* () {
        yield gzipSync(bytes);
      }),
      reader,
    );
    piped.catch(() => {});
    for await (const entry of reader) {
      const { name, type } = entry.header;
      must(type === 'file', 'something else than a file is laid out');
      must(name.startsWith('cargo/a-1.0.0/') && !name.split('/').includes('..'), 'a file beside the crate');
      entry.resume();
    }
    await piped;
  },
});

export const targets: readonly AnyTarget[] = [
  target('npm-lock', 'package-lock.json', [npmLock], ['node_modules/', '"link": true,', '":{"', '\\"']),
  target('pnpm-lock', 'pnpm-lock.yaml', [pnpmLock], ['\n  ', ': ', '{', '[', '|-\n', '@', '(', 'file:']),
  target('yarn-lock', 'yarn.lock', [yarnLock], ['\n  ', '\n    ', '@npm:', '", "', ':\n', 'git+ssh://']),
  target('cargo-lock', 'Cargo.lock', [cargoLock], ['[[package]]\n', '"""', "'''", ' = ', '[a.b]\n', 'git+']),
  target('go-sum', 'go.sum', [goSum], ['/go.mod', ' h1:', 'v0.0.0-', '\n']),
  target(
    'requirements',
    'requirements.txt',
    [requirements],
    ['\\\n', ' --hash=', ' ; ', ' and ', ' or ', '(', ')', ' @ ', '-r ', '=='],
  ),
  crate,
  define<string>({
    name: 'quorate-lock',
    seeds: async () => [quorateLock],
    arbitrary: (seeds) => mutatedText(seeds, ['pkg:npm/', ' sha256:', '\n', ' ']),
    run(text) {
      must(writeQuorateLock(parseQuorateLock(text, 'quorate.lock')) === text, 'a content that has two texts');
    },
  }),
  define<string>({
    name: 'dependency-index',
    seeds: async () => {
      const facts = { sha256, size: 1 };
      const files = filesOf('package-lock.json', npmLock);
      return [
        fromUtf8(encodeIndex(makeIndex({ locks: ['package-lock.json'], files, arch }, () => facts)).bytes),
      ];
    },
    arbitrary: (seeds) => mutatedText(seeds, ['"purl":', '"sha256":', '{', '},{', '[]']),
    run(text) {
      // UTF-8 has no lone surrogates.
      const bytes = toUtf8(text);
      const { index } = decodeIndex(bytes);
      must(fromUtf8(encodeIndex(index).bytes) === fromUtf8(bytes), 'an index that has two texts');
    },
  }),
];
