import { describe, expect, it } from 'vitest';
import {
  filesOfLocks,
  parseQuorateLock,
  readLocks,
  writeQuorateLock,
} from '../../../src/core/dependencies/index.ts';
import { codeThrown, host, read, sha256 } from './support.ts';

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
    ['', 'LOCK_SYNTAX'],
    ['quorate-lock 2\n', 'LOCK_UNSUPPORTED'],
    ['quorate-lock 1', 'LOCK_SYNTAX'],
    [`${text}${line}\n`, 'LOCK_SYNTAX'],
    [`quorate-lock 1\n${line}`, 'LOCK_SYNTAX'],
    [text.replace('\n', '\r\n'), 'LOCK_SYNTAX'],
    [text.replace('pkg:generic', 'generic'), 'LOCK_SYNTAX'],
    [text.replace(`${host}/model.bin`, ''), 'LOCK_INVALID'],
    [text.replace(` ${host}/model.bin`, ''), 'LOCK_SYNTAX'],
    [text.replace('generic/model.bin', 'generic/../model'), 'LOCK_INVALID'],
    [text.replace(' model.bin ', ' ../model.bin '), 'LOCK_INVALID'],
    [text.replace('https://', 'https://me@'), 'LOCK_INVALID'],
    [text.replace('sha256:12', 'sha256:XY'), 'LOCK_INVALID'],
  ])('%# is refused', (wrong, code) => {
    expect(codeThrown(() => read({ 'quorate.lock': wrong }))).toBe(code);
  });
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
    expect(codeThrown(() => readLocks(['go.sum'], latin, 'x86_64'))).toBe('LOCK_SYNTAX');
    const many = Array.from({ length: 33 }, (_, n) => `${n}/go.sum`);
    expect(codeThrown(() => readLocks(many, new Map(), 'x86_64'))).toBe('LOCK_TOO_LARGE');
  });
});
