import { describe, expect, it } from 'vitest';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { encodeCanonical, sha256Hex } from '../../../src/protocol/documents/canonical.ts';
import {
  checkBlob,
  checkIndex,
  type DependencyIndex,
  decodeIndex,
  dirhashOf,
  encodeIndex,
  type LockSources,
  makeIndex,
} from '../../../src/protocol/lock-formats/index.ts';
import { codeThrown, host, sha256, sha512 } from './support.ts';

const lock = toUtf8(
  JSON.stringify({
    lockfileVersion: 3,
    packages: {
      'node_modules/a': { version: '1.0.0', resolved: `${host}/a/-/a-1.0.0.tgz`, integrity: sha512 },
      'node_modules/b/node_modules/a': { version: '1.0.0', integrity: sha512 },
      'node_modules/b': { version: '1.0.0', integrity: sha512 },
      'node_modules/mac': { version: '1.0.0', integrity: sha512, os: ['darwin'], optional: true },
    },
  }),
);
const cargo = toUtf8(
  `version = 4\n[[package]]\nname = "a"\nversion = "1.0.0"\nsource = "sparse+${host}/crates.io-index"\nchecksum = "${sha256}"\n`,
);
const sources: LockSources = {
  locks: ['package-lock.json', 'rust/Cargo.lock'],
  files: new Map([
    ['package-lock.json', lock],
    ['rust/Cargo.lock', cargo],
    ['quorate.lock', toUtf8('quorate-lock 1\n')],
  ]),
  arch: 'x86_64',
};
const index = makeIndex(sources, () => ({ sha256, size: 3 }));

/** The index with one thing changed. */
function changed(change: (index: DependencyIndex) => void): DependencyIndex {
  const copy = structuredClone(index);
  change(copy);
  return copy;
}

/** The blob at a place of an index. */
function blobAt(of: DependencyIndex, place: number): DependencyIndex['blobs'][number] {
  const blob = of.blobs[place];
  if (blob === undefined) throw new Error('no such blob');
  return blob;
}

describe('an index of dependencies', () => {
  it('lists lock files and blobs in order, each once, with one text', () => {
    expect(index.locks.map(({ path }) => path)).toEqual([
      'package-lock.json',
      'quorate.lock',
      'rust/Cargo.lock',
    ]);
    expect(index.locks[0]?.sha256).toBe(sha256Hex(lock));
    expect(index.blobs.map(({ purl, file }) => `${purl} ${file}`)).toEqual([
      'pkg:cargo/a@1.0.0 a-1.0.0.crate',
      'pkg:npm/a@1.0.0 a-1.0.0.tgz',
      'pkg:npm/b@1.0.0 b-1.0.0.tgz',
    ]);
    const encoded = encodeIndex(index);
    // Never changed to make the test pass: jobs name their dependencies by a tree that holds it.
    expect(encoded.cid).toBe('baguqeerah7xbz2kj5a73alkqrxmhv6v4b6ecqglspqtgwwn6tcxsuemj3jsq');
    expect(decodeIndex(encoded.bytes)).toEqual({ index, cid: encoded.cid });
  });

  it('is the same for everybody, in whichever order lock files are named', () => {
    const other = { ...sources, locks: sources.locks.toReversed() };
    const again = makeIndex(other, () => ({ sha256, size: 3 }));
    expect(encodeIndex(again).cid).toBe(encodeIndex(index).cid);
    expect(checkIndex(index, other)).toHaveLength(4);
  });

  it.each<[string, RegExp, (index: DependencyIndex) => void]>([
    [
      'lacks a blob',
      /"a-1\.0\.0\.tgz" of "pkg:npm\/a@1\.0\.0" is in package-lock\.json:1, and not/,
      (one) => one.blobs.splice(1, 1),
    ],
    [
      'has another blob',
      /"evil\.tgz" of "pkg:npm\/evil@1\.0\.0" is in the index, and in no lock file/,
      (one) => one.blobs.push({ ...blobAt(one, 2), purl: 'pkg:npm/evil@1.0.0', file: 'evil.tgz' }),
    ],
    [
      'has another hash',
      /"a-1\.0\.0\.tgz".* another hash/,
      (one) => {
        blobAt(one, 1).integrity.digests = ['11'.repeat(64)];
      },
    ],
    [
      'has one hash more',
      /"a-1\.0\.0\.tgz".* another hash/,
      (one) => {
        blobAt(one, 1).integrity.digests.push('11'.repeat(64));
      },
    ],
    [
      'has another sha256 than the lock',
      /"a-1\.0\.0\.crate".* another hash/,
      (one) => {
        blobAt(one, 0).sha256 = '34'.repeat(32);
      },
    ],
    [
      'is of another lock file',
      /another "package-lock\.json"/,
      (one) => {
        one.locks = one.locks.map((l) => ({ ...l, sha256 }));
      },
    ],
    [
      'is of a lock file more',
      /"yarn\.lock", which the job does not name/,
      (one) => one.locks.push({ path: 'yarn.lock', sha256 }),
    ],
    ['leaves out quorate.lock', /another "quorate\.lock"/, (one) => one.locks.splice(1, 1)],
    [
      'is for another architecture',
      /for aarch64/,
      (one) => {
        one.arch = 'aarch64';
      },
    ],
  ])('that %s is refused', (_, message, change) => {
    const wrong = changed(change);
    expect(codeThrown(() => checkIndex(wrong, sources))).toBe('DEPENDENCIES_MISMATCH');
    expect(() => checkIndex(wrong, sources)).toThrow(message);
  });

  it.each<[string, (index: DependencyIndex) => void]>([
    ['blobs out of order', (one) => one.blobs.reverse()],
    ['a blob twice', (one) => one.blobs.push(blobAt(one, 2))],
    ['lock files out of order', (one) => one.locks.reverse()],
    [
      'no lock file',
      (one) => {
        one.locks = [];
      },
    ],
    [
      'a hash that is none',
      (one) => {
        blobAt(one, 0).integrity.digests = ['xy'];
      },
    ],
    [
      'a control character',
      (one) => {
        blobAt(one, 0).file = 'a\u001b';
      },
    ],
  ])('with %s is not read', (_, change) => {
    const bytes = encodeCanonical(changed(change));
    expect(codeThrown(() => decodeIndex(bytes))).toBe('DOC_INVALID');
  });
});

describe('a blob', () => {
  const blob = blobAt(index, 1);
  const right = { size: 3, sha256, digest: '00'.repeat(64) };

  it('counts where its size and hashes are those of the index', () => {
    expect(() => checkBlob(blob, right)).not.toThrow();
  });

  it.each([
    ['size', { ...right, size: 4 }],
    ['sha256', { ...right, sha256: '34'.repeat(32) }],
    ['digest', { ...right, digest: '11'.repeat(64) }],
  ])('of another %s does not', (_, wrong) => {
    expect(codeThrown(() => checkBlob(blob, wrong))).toBe('DEPENDENCIES_MISMATCH');
    expect(() => checkBlob(blob, wrong)).toThrow(/"a-1\.0\.0\.tgz"/);
  });
});

describe('the dirhash of a module', () => {
  it('is that of go.sum', () => {
    // The go.mod of rsc.io/quote v1.5.2, whose line in go.sum is h1:LzX7hefJvL54yjefDEDHNONDjII0t9xZLPXsUe+TKr0=.
    const text = 'module "rsc.io/quote"\n\nrequire "rsc.io/sampler" v1.3.0\n';
    const hash = dirhashOf([{ name: 'go.mod', sha256: sha256Hex(toUtf8(text)) }]);
    expect(Buffer.from(hash ?? '', 'hex').toString('base64')).toBe(
      'LzX7hefJvL54yjefDEDHNONDjII0t9xZLPXsUe+TKr0=',
    );
  });

  it('does not depend on the order, and refuses names that could stand for others', () => {
    const files = [
      { name: 'm@v1/\u{1f600}', sha256 },
      { name: 'm@v1/\uffee', sha256 },
      { name: 'm@v1/a', sha256: '34'.repeat(32) },
    ];
    expect(dirhashOf(files)).toBe(dirhashOf(files.toReversed()));
    // By bytes of UTF-8, in which U+FFEE comes before what is beyond U+FFFF.
    const lines = `${'34'.repeat(32)}  m@v1/a\n${sha256}  m@v1/\uffee\n${sha256}  m@v1/\u{1f600}\n`;
    expect(dirhashOf(files)).toBe(sha256Hex(toUtf8(lines)));
    const prefixes = ['m@v1/ab', 'm@v1/a'].map((name) => ({ name, sha256 }));
    expect(dirhashOf(prefixes)).toBe(sha256Hex(toUtf8(`${sha256}  m@v1/a\n${sha256}  m@v1/ab\n`)));
    expect(dirhashOf(prefixes)).toBe(dirhashOf(prefixes.toReversed()));
    expect(dirhashOf([...files, ...files])).toBeUndefined();
    expect(dirhashOf([{ name: 'a\nb', sha256 }])).toBeUndefined();
  });
});
