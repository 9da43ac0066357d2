import { describe, expect, it } from 'vitest';
import { dependencyLimits } from '../../../src/protocol/lock-formats/limits.ts';
import { withLimits } from '../../support/with-limits.ts';
import { list } from '../taken.ts';
import { faultOf, read, sha256 } from './support.ts';

const readText = (text: string, fixed: readonly string[] = []) => read({ 'go.sum': text }, fixed);
const hash = `h1:${'A'.repeat(43)}=`;
const other = `h1:${'B'.repeat(42)}A=`;

describe('go.sum', () => {
  it('names the archive and the go.mod of a module, in the spelling of its path', () => {
    const found = readText(
      `code.example/Me/toml v1.2.3+incompatible ${hash}\ncode.example/Me/toml v1.2.3+incompatible/go.mod ${other}\n`,
    );
    expect(found).toMatchObject([
      { file: 'v1.2.3+incompatible.mod', line: 2, locked: other },
      {
        ecosystem: 'go',
        name: 'code.example/Me/toml',
        version: 'v1.2.3+incompatible',
        purl: 'pkg:golang/code.example/Me/toml@v1.2.3%2Bincompatible',
        file: 'v1.2.3+incompatible.zip',
        integrity: { algorithm: 'dirhash', digests: ['00'.repeat(32)] },
        line: 1,
      },
    ]);
  });

  it('names as many files as all locks may have, and no more', () => {
    const lines = (n: number) => list(n, (at) => `a/${at} v1.0.0 ${hash}\n`).join('');
    expect(readText(lines(100_000))).toHaveLength(100_000);
    expect(dependencyLimits.entriesMax).toBe(100_000);
    withLimits(dependencyLimits, { entriesMax: 1_000 });
    expect(readText(lines(1_000))).toHaveLength(1_000);
    expect(faultOf(() => readText(lines(1_001)))).toContain('LOCK_TOO_LARGE');
  });

  it('keeps two modules apart whose paths differ in case only', () => {
    const found = readText(`code.example/a v1.0.0 ${hash}\ncode.example/A v1.0.0 ${other}\n`);
    expect(found).toHaveLength(2);
  });

  it('adds an .info where quorate.lock names it', () => {
    const found = readText(`code.example/a v1.0.0/go.mod ${hash}\n`, [
      `pkg:golang/code.example/a@v1.0.0 v1.0.0.info sha256:${sha256}`,
    ]);
    expect(found.map(({ file }) => file)).toEqual(['v1.0.0.info', 'v1.0.0.mod']);
  });

  it('takes nothing else of a module from quorate.lock', () => {
    const found = readText(`code.example/a v1.0.0 ${hash}\n`, [
      `pkg:golang/code.example/a@v1.0.0 v1.0.0.zip sha256:${sha256}`,
    ]);
    expect(found.map(({ integrity }) => integrity.algorithm)).toEqual(['dirhash']);
  });

  it('reads go.work.sum beside it, the same line once', () => {
    const line = `code.example/a v1.0.0 ${hash}\n`;
    expect(read({ 'go.sum': line, 'go.work.sum': line })).toHaveLength(1);
  });

  it.each([
    [
      `code.example/a v1.0.0 ${hash}\ncode.example/a v1.0.0 ${other}\n`,
      'LOCK_CONFLICT go.sum:2: "pkg:golang/code.example/a@v1.0.0" has another hash here than in go.sum:1',
    ],
    ['code.example/a v1.0.0\n', 'LOCK_INVALID go.sum:1: "code.example/a v1.0.0" is not MODULE VERSION HASH'],
    [
      `code.example/a v1.0.0 ${hash} x\n`,
      `LOCK_INVALID go.sum:1: "code.example/a v1.0.0 ${hash} x" is not MODULE VERSION HASH`,
    ],
    [
      `code.example/../a v1.0.0 ${hash}\n`,
      'LOCK_INVALID go.sum:1: "code.example/../a" is not the name of a package',
    ],
    [`/a v1.0.0 ${hash}\n`, 'LOCK_INVALID go.sum:1: "/a" is not the name of a package'],
    [`code.example/a 1.0.0 ${hash}\n`, 'LOCK_INVALID go.sum:1: "1.0.0" is not a version of a module'],
    [`code.example/a v1/../2 ${hash}\n`, 'LOCK_INVALID go.sum:1: "v1/../2" is not a version'],
    ['code.example/a v1.0.0 h2:AAAA\n', 'LOCK_INVALID go.sum:1: "h2:AAAA" is not a hash of go.sum'],
    ['code.example/a v1.0.0 h1:AAAA\n', 'LOCK_INVALID go.sum:1: "h1:AAAA" is not a hash of go.sum'],
  ])('%# is refused', (text, fault) => {
    expect(faultOf(() => readText(text))).toBe(fault);
  });
});
