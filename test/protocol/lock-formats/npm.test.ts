import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../src/protocol/lock-formats/index.ts';
import { codeThrown, faultOf, host, read as readTree, sha512 } from './support.ts';

const sha1 = `sha1-${'A'.repeat(27)}=`;
const tarball = (name: string, version = '1.0.0') =>
  `${host}/${name}/-/${name.replace(/.*\//, '')}-${version}.tgz`;
const plain = (name: string, more: object = {}) => ({
  version: '1.0.0',
  resolved: tarball(name),
  integrity: sha512,
  ...more,
});

const readText = (text: string, fixed: readonly string[] = []): Entry[] =>
  readTree({ 'package-lock.json': text }, fixed);

/** Entries of a lock of npm with these packages, and of a `quorate.lock` with these lines. */
const read = (packages: object, fixed: readonly string[] = []): Entry[] =>
  readText(JSON.stringify({ lockfileVersion: 3, packages }, null, 2), fixed);

describe('package-lock.json', () => {
  it('names each tarball with its hash, its address and its line', () => {
    expect(read({ '': { name: 'x' }, 'node_modules/@me/a': plain('@me/a') })).toEqual([
      {
        ecosystem: 'npm',
        name: '@me/a',
        version: '1.0.0',
        purl: 'pkg:npm/%40me/a@1.0.0',
        file: 'a-1.0.0.tgz',
        integrity: { algorithm: 'sha512', digests: ['00'.repeat(64)] },
        locked: sha512,
        origin: { kind: 'registry', url: tarball('@me/a') },
        lock: 'package-lock.json',
        line: 7,
      },
    ]);
  });

  it('names one that lies in several places once, and two versions of one name each', () => {
    const found = read({
      'node_modules/a': plain('a'),
      'node_modules/b/node_modules/a': plain('a'),
      'node_modules/c/node_modules/a': { ...plain('a'), version: '2.0.0', resolved: tarball('a', '2.0.0') },
    });
    expect(found.map(({ purl }) => purl)).toEqual(['pkg:npm/a@1.0.0', 'pkg:npm/a@2.0.0']);
  });

  it('passes over what npm takes from the source tree or from another tarball', () => {
    const found = read({
      'packages/a': { version: '1.0.0' },
      'node_modules/a': { resolved: 'packages/a', link: true },
      'node_modules/local': { version: '1.0.0', resolved: 'file:vendor/local.tgz', integrity: sha512 },
      'node_modules/b/node_modules/bundled': { version: '1.0.0', inBundle: true },
    });
    expect(found).toEqual([]);
  });

  it('follows an alias to the package that it means', () => {
    const [found] = read({ 'node_modules/nick': plain('a', { name: 'a' }) });
    expect(found?.purl).toBe('pkg:npm/a@1.0.0');
  });

  it('takes an entry without an address from the registry', () => {
    const [found] = read({ 'node_modules/a': { version: '1.0.0', integrity: sha512 } });
    expect(found?.origin).toEqual({ kind: 'registry' });
  });

  it('leaves out what is optional and of another platform, and nothing else', () => {
    const found = read({
      'node_modules/mac': plain('mac', { os: ['darwin'], optional: true }),
      'node_modules/arm': plain('arm', { cpu: ['arm64'], optional: true }),
      'node_modules/musl': plain('musl', { os: ['linux'], cpu: ['x64'], libc: ['musl'], optional: true }),
      'node_modules/not-win': plain('not-win', { os: ['!win32'], optional: true }),
      'node_modules/needed': plain('needed', { os: ['darwin'] }),
      'node_modules/not-linux': plain('not-linux', { os: ['!linux'], optional: true }),
      'node_modules/none': plain('none', { os: [], optional: true }),
      'node_modules/any': plain('any', { os: ['any'], optional: true }),
      'node_modules/libc': plain('libc', { libc: ['musl'] }),
    });
    expect(found.map(({ name }) => name)).toEqual(['any', 'libc', 'musl', 'needed', 'none', 'not-win']);
    expect(found[1]?.platform).toEqual({ libc: ['musl'] });
  });

  it.each([
    [`${host}/@me%2fa/-/a-1.0.0.tgz`, 'registry', 'a-1.0.0.tgz'],
    [`${host}/npm/@me/a/-/@me/a-1.0.0.tgz`, 'url', 'a-1.0.0.tgz'],
    [`${host}/@other/a/-/a-1.0.0.tgz`, 'url', 'a-1.0.0.tgz'],
    [`${host}/files/@me%2Fa%20b%zz.tgz?x=/y`, 'url', '@me_2Fa_20b_zz.tgz'],
    [`${host}/files/%2e%2e%2f..`, 'url', '_.'],
    [`${host}/download/`, 'url', 'package'],
  ])('of %s takes kind %s and name %s', (resolved, kind, file) => {
    const [found] = read({ 'node_modules/@me/a': plain('@me/a', { resolved }) });
    expect(found).toMatchObject({ origin: { kind, url: resolved }, file });
  });

  it('of several hashes takes the strongest, any of that kind', () => {
    const other = `sha512-${'B'.repeat(85)}A==`;
    const [found] = read({ 'node_modules/a': plain('a', { integrity: `${sha1} ${sha512} ${other}` }) });
    expect(found?.integrity.algorithm).toBe('sha512');
    expect(found?.integrity.digests).toHaveLength(2);
  });

  it('takes a missing hash from another place of the same package', () => {
    const found = read({
      'node_modules/a': plain('a'),
      'node_modules/b/node_modules/a': { version: '1.0.0' },
    });
    expect(found.map(({ integrity }) => integrity.algorithm)).toEqual(['sha512', 'sha512']);
  });

  it.each([
    ['no hash', { version: '1.0.0', resolved: tarball('a') }, 'pkg:npm/a@1.0.0', 'no hash'],
    ['sha1 only', plain('a', { integrity: sha1 }), 'pkg:npm/a@1.0.0', 'broken'],
    [
      'a git dependency',
      { version: '1.0.0', resolved: `git+ssh://git@code.example/me/a.git#${'ab'.repeat(20)}` },
      `pkg:npm/a@1.0.0?vcs_url=git%2Bssh://git%40code.example/me/a.git%40${'ab'.repeat(20)}`,
      'a git dependency has no hash of a file',
    ],
  ])('%s: has to be in quorate.lock', (_, entry, purl, why) => {
    const packages = { 'node_modules/a': entry };
    expect(() => read(packages)).toThrow(new RegExp(`^package-lock\\.json:4: "pkg:npm/a.*${why}`));
    expect(codeThrown(() => read(packages))).toBe('LOCK_INCOMPLETE');
    const [found] = read(packages, [`${purl} a.tgz sha256:${'12'.repeat(32)} ${host}/a.tgz`]);
    expect(found).toMatchObject({
      file: 'a.tgz',
      mirror: `${host}/a.tgz`,
      integrity: { algorithm: 'sha256', digests: ['12'.repeat(32)] },
    });
  });

  it.each<[string, object]>([
    ['a path out of the tree', { '../../x/node_modules/a': plain('a') }],
    ['a link out of the tree', { 'node_modules/a': { link: true, resolved: '../a' } }],
    ['a tarball out of the tree', { 'node_modules/a': { version: '1.0.0', resolved: 'file:../a.tgz' } }],
    ['a name with ..', { 'node_modules/a': plain('a', { name: '../a' }) }],
    ['a name with a control character', { 'node_modules/a\u0007': plain('a') }],
    ['a version with a path', { 'node_modules/a': plain('a', { version: '../1' }) }],
    ['no version', { 'node_modules/a': { resolved: tarball('a') } }],
    ['credentials', { 'node_modules/a': plain('a', { resolved: 'https://me:pw@packages.example/a.tgz' }) }],
    ['another scheme', { 'node_modules/a': plain('a', { resolved: 'ftp://packages.example/a.tgz' }) }],
    ['a hash of the wrong length', { 'node_modules/a': plain('a', { integrity: 'sha512-AAAA' }) }],
    ['a git branch', { 'node_modules/a': { version: '1.0.0', resolved: 'git+https://h.example/a#main' } }],
    ['a list for a text', { 'node_modules/a': plain('a', { resolved: ['x'] }) }],
    ['a text for an entry', { 'node_modules/a': 'x' }],
  ])('refuses %s', (_, packages) => {
    expect(codeThrown(() => read(packages))).toBe('LOCK_INVALID');
  });

  it.each<[object, string]>([
    [{ link: true }, 'the link "node_modules/a" leads nowhere'],
    [plain('a', { integrity: sha512.replace(/=+$/, '') }), `"sha512-${'A'.repeat(86)}" is not a hash`],
    [
      plain('a', { resolved: `git+https://me:pw@code.example/a.git#${'ab'.repeat(20)}` }),
      'the address of "/a.git" holds a user name or a password, which a lock file makes public',
    ],
    [{ link: 1 }, '"link" of "node_modules/a" is not true or false'],
    [plain('a', { os: 1 }), '"os" of "node_modules/a" is not a list of texts'],
    [plain('a', { os: [1] }), '"os" of "node_modules/a" is not a list of texts'],
    [
      plain('a', { resolved: `git+ftp://code.example/a#${'ab'.repeat(20)}` }),
      '"ftp://code.example/a" is not the address of a git repository',
    ],
    [
      plain('a', { resolved: 'https://me:pw@packages.example/a.tgz' }),
      'the address of "/a.tgz" holds a user name or a password, which a lock file makes public',
    ],
  ])('says of %j that %s', (entry, message) => {
    const fault = faultOf(() => read({ 'node_modules/a': entry }));
    expect(fault.replace(/:\d+:/, ':')).toBe(`LOCK_INVALID package-lock.json: ${message}`);
  });

  it('reads texts that end with a backslash or hold a quote, and lists', () => {
    const entry = JSON.stringify(plain('a', { x: 'a\\', '"': ['\\"', 1, true] }));
    const text = `{"lockfileVersion": 3, "packages": {"node_modules/a": ${entry}}}`;
    expect(readText(text).map(({ name }) => name)).toEqual(['a']);
  });

  it('one that is optional at one place only is needed', () => {
    const [optional, needed] = [plain('a', { optional: true }), plain('a')];
    const places = ['node_modules/a', 'node_modules/b/node_modules/a'] as const;
    const both = { [places[0]]: optional, [places[1]]: optional };
    expect(read(both)).toMatchObject([{ optional: true }]);
    for (const [first, second] of [
      [optional, needed],
      [needed, optional],
    ])
      expect(read({ [places[0]]: first, [places[1]]: second })).toEqual([
        expect.not.objectContaining({ optional: true }),
      ]);
  });

  it('takes one text for a list of one', () => {
    expect(read({ 'node_modules/a': plain('a', { os: 'win32', optional: true }) })).toEqual([]);
  });

  it('refuses two hashes for one file, and says where both are', () => {
    const other = `sha512-${'B'.repeat(85)}A==`;
    const packages = {
      'node_modules/a': plain('a'),
      'node_modules/b/node_modules/a': plain('a', { integrity: other }),
    };
    expect(codeThrown(() => read(packages))).toBe('LOCK_CONFLICT');
    expect(() => read(packages)).toThrow(/package-lock\.json:9: .* package-lock\.json:4/);
  });

  it.each([
    ['{"lockfileVersion": 1}', 'LOCK_UNSUPPORTED package-lock.json:1: npm lock version 1 is not supported'],
    ['{}', 'LOCK_UNSUPPORTED package-lock.json:1: npm lock version 1 is not supported'],
    [
      '{"lockfileVersion": 4}',
      'LOCK_UNSUPPORTED package-lock.json:1: this version of npm lock files is not supported',
    ],
    [
      '{"lockfileVersion": 3, "lockfileVersion": 3}',
      'LOCK_INVALID package-lock.json:1: the key "lockfileVersion" occurs twice',
    ],
    [
      '{"lockfileVersion": 3',
      'LOCK_INVALID package-lock.json:1: not JSON: expected ",", not "the end of the file"',
    ],
    ['{"lockfileVersion": 3} x', 'LOCK_INVALID package-lock.json:1: not JSON: unexpected "x" after the end'],
    ['{"a', 'LOCK_INVALID package-lock.json:1: not JSON: a text has no end'],
    ['{"a": :}', 'LOCK_INVALID package-lock.json:1: not JSON: unexpected ":"'],
    ['{"a": x}', 'LOCK_INVALID package-lock.json:1: not JSON: unexpected "x"'],
    ['{1: 2}', 'LOCK_INVALID package-lock.json:1: not JSON: expected a key, not "1"'],
    ['{"a" 1}', 'LOCK_INVALID package-lock.json:1: not JSON: expected ":", not "1"'],
    ['[1 2]', 'LOCK_INVALID package-lock.json:1: not JSON: expected ",", not "2"'],
    [
      '{"lockfileVersion": 3, "packages": 1}',
      'LOCK_INVALID package-lock.json:1: "packages" is not an object',
    ],
    ['{"a": "\\x"}', 'LOCK_INVALID package-lock.json:1: not JSON: unexpected ""\\x""'],
    ['[1.2.3]', 'LOCK_INVALID package-lock.json:1: not JSON: unexpected "1.2.3"'],
    ['[]', 'LOCK_INVALID package-lock.json:1: "" is not an object'],
    ['', 'LOCK_INVALID package-lock.json:1: not JSON: unexpected "the end of the file"'],
    ['['.repeat(300), 'LOCK_TOO_LARGE package-lock.json:1: nested deeper than 256 levels'],
  ])('is refused: %s', (text, fault) => {
    expect(faultOf(() => readText(text))).toBe(fault);
  });

  it('keeps a package of the name __proto__ apart', () => {
    const text = `{"lockfileVersion": 3, "packages": {"__proto__": {}, "node_modules/__proto__": ${JSON.stringify(plain('__proto__'))}}}`;
    expect(readText(text).map(({ name }) => name)).toEqual(['__proto__']);
  });

  it('on one line is read about as fast as on many', () => {
    const names = Array.from({ length: 12_000 }, (_, n) => [`node_modules/p${n}`, plain(`p${n}`)]);
    const lock = { lockfileVersion: 3, packages: Object.fromEntries(names) };
    const seconds = (text: string) => {
      const before = process.cpuUsage();
      expect(readText(text)).toHaveLength(names.length);
      return process.cpuUsage(before).user;
    };
    const many = seconds(JSON.stringify(lock, null, 2));
    expect(seconds(JSON.stringify(lock))).toBeLessThan(6 * many);
  });
});
