import { describe, expect, it } from 'vitest';
import { codeThrown, host, read, sha256, sha512 } from './support.ts';

const readText = (text: string, fixed: readonly string[] = []) => read({ 'web/pnpm-lock.yaml': text }, fixed);

/** A lock of pnpm 9 with these packages, and snapshots of those that are optional. */
const lockOf = (packages: string, snapshots = '') => `lockfileVersion: '9.0'

settings:
  autoInstallPeers: true

importers:

  .:
    dependencies:
      nick:
        specifier: npm:a@1
        version: a@1.0.0(react@18.0.0)
      local:
        specifier: link:../local
        version: link:../local

packages:

${packages}
snapshots:

${snapshots}`;

const a = `  '@me/a@1.0.0':
    resolution: {integrity: ${sha512}}
    engines: {node: '>=6.9.0'}
    deprecated: |-
      no longer
      kept
`;

describe('pnpm-lock.yaml', () => {
  it('names each tarball with its hash and its line, peers or not', () => {
    const [found, ...more] = readText(
      lockOf(a, "  '@me/a@1.0.0(react@18.0.0)':\n    dependencies:\n      react: 18.0.0\n"),
    );
    expect(more).toEqual([]);
    expect(found).toEqual({
      ecosystem: 'npm',
      name: '@me/a',
      version: '1.0.0',
      purl: 'pkg:npm/%40me/a@1.0.0',
      file: 'a-1.0.0.tgz',
      integrity: { algorithm: 'sha512', digests: ['00'.repeat(64)] },
      locked: sha512,
      origin: { kind: 'registry' },
      lock: 'web/pnpm-lock.yaml',
      line: 19,
    });
  });

  it('is read past what is not needed, wherever it ends', () => {
    const one = (name: string, more = '') => `  ${name}@1.0.0:
    engines:
      node: '>=6'

    resolution: {integrity: ${sha512}}
    transitivePeerDependencies:
    - first
    - second
    deprecated: 'ends
      here'
${more}`;
    const text = lockOf(
      one('b', '    os: [win32]\n') + one('c'),
      '  b@1.0.0:\n    dependencies:\n      c: 1.0.0\n  c@1.0.0: {}\n',
    );
    for (const written of [text, text.replaceAll('\n', '\r\n')])
      expect(readText(written).map(({ purl, line }) => [purl, line])).toEqual([
        ['pkg:npm/b@1.0.0', 19],
        ['pkg:npm/c@1.0.0', 30],
      ]);
  });

  it('leaves out what only optional dependencies lead to, and is of another platform', () => {
    const one = (name: string) => `  ${name}@1.0.0:
    resolution: {integrity: ${sha512}}
    cpu: [arm64]
    os: [darwin]
`;
    const lock = lockOf(one('a') + one('b'), '  a@1.0.0:\n    optional: true\n  b@1.0.0: {}\n');
    expect(readText(lock).map(({ name }) => name)).toEqual(['b']);
  });

  it('takes the version of a tarball from beside it, and passes over folders', () => {
    const found = readText(
      lockOf(`  a@${host}/files/a.tgz:
    resolution: {tarball: ${host}/files/a.tgz, integrity: ${sha512}}
    version: 2.0.0
  b@file:../b:
    resolution: {directory: ../b, type: directory}
`),
    );
    expect(found).toMatchObject([
      {
        version: '2.0.0',
        purl: `pkg:npm/a@2.0.0?download_url=${host}/files/a.tgz`,
        file: 'a.tgz',
        origin: { kind: 'url', url: `${host}/files/a.tgz` },
      },
    ]);
  });

  it('a commit of a repository has to be in quorate.lock', () => {
    const commit = 'ab'.repeat(20);
    const lock = lockOf(`  a@git+https://code.example/me/a.git#${commit}:
    resolution: {commit: ${commit}, repo: git@code.example:me/a.git, type: git}
    version: 1.0.0
`);
    expect(codeThrown(() => readText(lock))).toBe('LOCK_INCOMPLETE');
    const purl = `pkg:npm/a@1.0.0?vcs_url=git%2Bssh://git%40code.example/me/a.git%40${commit}`;
    const [found] = readText(lock, [`${purl} a.tgz sha256:${sha256}`]);
    expect(found?.origin).toEqual({ kind: 'git', url: 'ssh://git@code.example/me/a.git', commit });
  });

  it.each([
    ["lockfileVersion: '6.0'", 'LOCK_UNSUPPORTED'],
    ['lockfileVersion: 5.4', 'LOCK_UNSUPPORTED'],
    ['packages: {}', 'LOCK_UNSUPPORTED'],
    [lockOf(a + a), 'LOCK_SYNTAX'],
    ['a: &x 1\nb: *x', 'LOCK_SYNTAX'],
    ['a: !!binary x', 'LOCK_SYNTAX'],
    ['a: b: c', 'LOCK_SYNTAX'],
    ['--- 1\n--- 2', 'LOCK_SYNTAX'],
    ['', 'LOCK_INVALID'],
    [`a: ${'['.repeat(300)}${']'.repeat(300)}`, 'LOCK_TOO_LARGE'],
    [lockOf('  a: {resolution: {}}\n'), 'LOCK_INVALID'],
    [lockOf('  a@1.0.0: {}\n'), 'LOCK_INVALID'],
    [lockOf('  ../a@1.0.0:\n    resolution: {integrity: x}\n'), 'LOCK_INVALID'],
    [lockOf('  a@1.0.0:\n    resolution: {directory: ../../a, type: directory}\n'), 'LOCK_INVALID'],
    [lockOf('  a@1.0.0:\n    resolution: {type: variations}\n'), 'LOCK_UNSUPPORTED'],
  ])('%# is refused', (text, code) => {
    expect(codeThrown(() => readText(text))).toBe(code);
  });
});
