import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  filesOfLocks,
  openFiles,
  parseQuorateLock,
  readLocks,
  writeQuorateLock,
} from '../../../src/protocol/lock-formats/index.ts';
import { checkUrl } from '../../../src/protocol/lock-formats/names.ts';
import { codeThrown, faultOf, host, read, sha256 } from './support.ts';

const line = `pkg:generic/model.bin model.bin sha256:${sha256} ${host}/model.bin`;
const text = `quorate-lock 1\n${line}\n`;

describe('quorate.lock', () => {
  it('names files of no package, where the job names it', () => {
    expect(read({ 'quorate.lock': text })).toEqual([
      {
        ecosystem: 'generic',
        name: 'model.bin',
        version: '',
        purl: 'pkg:generic/model.bin',
        file: 'model.bin',
        integrity: { algorithm: 'sha256', digests: [sha256] },
        origin: { kind: 'url', url: `${host}/model.bin` },
        lock: 'quorate.lock',
        line: 2,
      },
    ]);
    expect(read({ 'go.sum': '' }, [line])).toEqual([]);
    // A record of a package is of the lock file that names it.
    const ofPackage = `pkg:npm/a@1.0.0 a.tgz sha256:${sha256} ${host}/a.tgz`;
    expect(read({ 'quorate.lock': `${text}${ofPackage}\n` })).toHaveLength(1);
  });

  it('has one text for one content', () => {
    const files = [
      { purl: 'pkg:npm/b@1.0.0', file: 'b.tgz', sha256 },
      { purl: 'pkg:generic/a', file: 'a', sha256, url: `${host}/a` },
    ];
    const written = writeQuorateLock([...files, ...files]);
    expect(written).toBe(
      `quorate-lock 1\npkg:generic/a a sha256:${sha256} ${host}/a\npkg:npm/b@1.0.0 b.tgz sha256:${sha256}\n`,
    );
    const found = parseQuorateLock(written, 'quorate.lock').map(({ at: _, ...fixed }) => fixed);
    expect(found).toEqual(files.toReversed());
  });

  it.each([
    ['', 'LOCK_INVALID quorate.lock:1: the first line is not "quorate-lock 1"'],
    ['quorate-lock 2\n', 'LOCK_UNSUPPORTED quorate.lock:1: "quorate-lock 2" is a newer format'],
    ['quorate-lock 1', 'LOCK_INVALID quorate.lock:1: the last line has no end'],
    [`${text}${line}\n`, 'LOCK_INVALID quorate.lock:3: the lines are not sorted, each once'],
    [`quorate-lock 1\n${line}`, 'LOCK_INVALID quorate.lock:2: the last line has no end'],
    [
      'quorate-lock 1\npkg:npm/a@1 a sha1:ab\n',
      'LOCK_INVALID quorate.lock:2: "pkg:npm/a@1 a sha1:ab" is not PURL FILE sha256:HEX, or these and an address',
    ],
    [
      'quorate-lock 1\npkg:npm/a@1 a sha256:ab b c\n',
      'LOCK_INVALID quorate.lock:2: "pkg:npm/a@1 a sha256:ab b c" is not PURL FILE sha256:HEX, or these and an address',
    ],
    [text.replace('\n', '\r\n'), 'LOCK_INVALID quorate.lock:1: the first line is not "quorate-lock 1"'],
    [
      text.replace('pkg:generic', 'generic'),
      'LOCK_INVALID quorate.lock:2: "generic/model.bin" is not a package URL',
    ],
    [
      text.replace(`${host}/model.bin`, ''),
      'LOCK_INVALID quorate.lock:2: "" is not an http or https address',
    ],
    [
      text.replace(` ${host}/model.bin`, ''),
      'LOCK_INVALID quorate.lock:2: "pkg:generic/model.bin" has no address that it can be fetched from',
    ],
    [
      text.replace('generic/model.bin', 'generic/../model'),
      'LOCK_INVALID quorate.lock:2: "../model" is not the name of a package',
    ],
    [
      text.replace(' model.bin ', ' ../model.bin '),
      'LOCK_INVALID quorate.lock:2: "../model.bin" is not the name of a file',
    ],
    [
      text.replace('https://', 'https://me@'),
      'LOCK_INVALID quorate.lock:2: the address of "/model.bin" holds a user name or a password, which a lock file makes public',
    ],
    [
      text.replace('sha256:12', 'sha256:XY'),
      'LOCK_INVALID quorate.lock:2: "XY12121212121212121212121212121212121212121212121212121212121212" is not a sha256 in hexadecimal',
    ],
  ])('%# is refused', (wrong, fault) => {
    expect(faultOf(() => read({ 'quorate.lock': wrong }))).toBe(fault);
  });
});

describe('records that lock files need', () => {
  const purl = 'pkg:pypi/a@1.0';
  const open = (requirements: string, ...lines: string[]) =>
    openFiles(
      ['requirements.txt', 'package-lock.json'],
      new Map(
        Object.entries({
          'requirements.txt': requirements,
          'package-lock.json': JSON.stringify({
            lockfileVersion: 3,
            packages: { 'node_modules/b': { version: '1.0.0' } },
          }),
          'quorate.lock': ['quorate-lock 1', ...lines, ''].join('\n'),
        }).map(([path, content]) => [path, toUtf8(content)]),
      ),
      'x86_64',
    );

  it.each<[string, string[], string[], string[]]>([
    ['a==1.0', [], [purl, 'pkg:npm/b@1.0.0'], []],
    ['a==1.0', [`${purl} a.whl`], ['pkg:npm/b@1.0.0'], [`${purl} a.whl`]],
    // The lock file allows another hash alone.
    [`a==1.0 --hash=sha256:${'34'.repeat(32)}`, [`${purl} a.whl`], [purl, 'pkg:npm/b@1.0.0'], []],
    [`a==1.0 --hash=sha256:${sha256}`, [`${purl} a.whl`], ['pkg:npm/b@1.0.0'], [`${purl} a.whl`]],
    // Of another name than the tarball has.
    ['a==1.0', ['pkg:npm/b@1.0.0 c.tgz', `${purl} a.whl`], ['pkg:npm/b@1.0.0'], [`${purl} a.whl`]],
    ['a==1.0', ['pkg:npm/b@1.0.0 b-1.0.0.tgz'], [purl], ['pkg:npm/b@1.0.0 b-1.0.0.tgz']],
    // Named by no lock file: Python packages stay, since source archives are built with them.
    [
      '',
      ['pkg:npm/c@1.0.0 c.tgz', 'pkg:pypi/tools@1.0 t.whl'],
      ['pkg:npm/b@1.0.0'],
      ['pkg:pypi/tools@1.0 t.whl'],
    ],
  ])('%s with %j leaves %j open', (requirements, lines, left, stays) => {
    const { open: found, kept } = open(requirements, ...lines.map((one) => `${one} sha256:${sha256}`));
    expect(found.map((one) => one.purl)).toEqual(left);
    expect(kept.map((one) => `${one.purl} ${one.file}`)).toEqual(stays);
  });

  it('are not asked for where the lock file has the hash', () => {
    const found = openFiles(
      ['go.sum'],
      new Map([['go.sum', toUtf8(`a.b v1.0.0 h1:${'A'.repeat(43)}=\n`)]]),
      'x86_64',
    );
    expect(found).toEqual({ open: [], kept: [] });
  });
});

it('a fault says how to mend the file, where there is a way', () => {
  const hintOf = (files: Record<string, string>): string | undefined => {
    try {
      read(files);
    } catch (error) {
      if (error instanceof QuorateError) return error.hint;
    }
    return 'no fault';
  };
  expect(hintOf({ 'quorate.lock': '' })).toMatch(/^It was edited/);
  expect(hintOf({ 'yarn.lock': '' })).toMatch(/^Have the tool/);
  expect(hintOf({ 'package-lock.json': '['.repeat(300) })).toBeUndefined();
});

it.each([
  [`${host}/a`, true],
  ['http://[::1]:80/a', true],
  ['https://under_score/a', false],
  ['https://a/#b', false],
  ['https://a/\u00e4', false],
  ['ftp://a/b', false],
])('the address %s: %s', (address, isTaken) => {
  expect(codeThrown(() => checkUrl(address, { lock: 'x', line: 1 }))).toBe(isTaken ? 'none' : 'LOCK_INVALID');
});

describe('files that are read', () => {
  it('are the lock files, and quorate.lock where it is there', () => {
    expect(filesOfLocks(['go.sum', 'go.sum'])).toEqual([
      { path: 'go.sum', optional: false },
      { path: 'quorate.lock', optional: true },
    ]);
  });

  it.each([
    ['poetry.lock', 'LOCK_UNSUPPORTED', /the lock file of Poetry/],
    ['uv.lock', 'LOCK_UNSUPPORTED', /the lock file of uv/],
    ['bun.lockb', 'LOCK_UNSUPPORTED', /the lock file of Bun/],
    ['sub/constructor', 'LOCK_UNSUPPORTED', /"constructor"/],
  ])('%s is refused by name', (path, code, message) => {
    expect(codeThrown(() => read({ [path]: '' }))).toBe(code);
    expect(() => read({ [path]: '' })).toThrow(message);
  });

  it('have to be there, in UTF-8, and not too many', () => {
    expect(codeThrown(() => readLocks(['go.sum'], new Map(), 'x86_64'))).toBe('LOCK_NOT_FOUND');
    const latin = new Map([['go.sum', Uint8Array.of(0xe4)]]);
    expect(codeThrown(() => readLocks(['go.sum'], latin, 'x86_64'))).toBe('LOCK_INVALID');
    const many = Array.from({ length: 33 }, (_, n) => `${n}/go.sum`);
    expect(codeThrown(() => readLocks(many, new Map(), 'x86_64'))).toBe('LOCK_TOO_LARGE');
  });
});
