import { describe, expect, it } from 'vitest';
import { codeThrown, faultOf, host, read, sha256, sha512 } from './support.ts';

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
      tool: !!binary x

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
        ['pkg:npm/c@1.0.0', 31],
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
    [
      "lockfileVersion: '6.0'",
      'LOCK_UNSUPPORTED web/pnpm-lock.yaml:1: pnpm lock version 6.0 is not supported',
    ],
    ['lockfileVersion: 5.4', 'LOCK_UNSUPPORTED web/pnpm-lock.yaml:1: pnpm lock version 5.4 is not supported'],
    ['packages: {}', 'LOCK_UNSUPPORTED web/pnpm-lock.yaml:1: pnpm lock version is not supported'],
    [lockOf(a + a), 'LOCK_INVALID web/pnpm-lock.yaml:25: the key "@me/a@1.0.0" occurs twice'],
    ['a: &x 1\nb: *x', 'LOCK_INVALID web/pnpm-lock.yaml:2: an alias or a tag, which no tool writes'],
    ['a: !!binary x', 'LOCK_INVALID web/pnpm-lock.yaml:1: an alias or a tag, which no tool writes'],
    [
      'a: b: c',
      'LOCK_INVALID web/pnpm-lock.yaml:1: not YAML: "Nested mappings are not allowed in compact mappings"',
    ],
    [
      '--- 1\n--- 2',
      'LOCK_INVALID web/pnpm-lock.yaml:2: not YAML: "Source contains multiple documents; please use YAML.parseAllDocuments()"',
    ],
    ['', 'LOCK_INVALID web/pnpm-lock.yaml:1: "" is not an object'],
    [
      `a: ${'['.repeat(300)}${']'.repeat(300)}`,
      'LOCK_TOO_LARGE web/pnpm-lock.yaml:1: nested deeper than 256 levels',
    ],
    [
      lockOf('  a: {resolution: {}}\n'),
      'LOCK_INVALID web/pnpm-lock.yaml:19: "a" is not a package and its version',
    ],
    [
      `a: ${'['.repeat(20_000)}${']'.repeat(20_000)}`,
      'LOCK_INVALID web/pnpm-lock.yaml:1: not YAML: "Maximum call stack size exceeded"',
    ],
    [`${'- '.repeat(20_000)}a\nb: c`, 'LOCK_TOO_LARGE web/pnpm-lock.yaml:1: nested deeper than 256 levels'],
    [
      '%YAML 1.1\n---\na: 2001-12-14\n',
      'LOCK_INVALID web/pnpm-lock.yaml:3: a value that is no text, number, list or mapping',
    ],
    ['true: 1\n', 'LOCK_INVALID web/pnpm-lock.yaml:1: a key that is no text'],
    ['1: 1\n', 'LOCK_UNSUPPORTED web/pnpm-lock.yaml:1: pnpm lock version is not supported'],
    [lockOf('  a@1.0.0: {}\n'), 'LOCK_INVALID web/pnpm-lock.yaml:19: "a@1.0.0" has no resolution'],
    [
      lockOf('  ../a@1.0.0:\n    resolution: {integrity: x}\n'),
      'LOCK_INVALID web/pnpm-lock.yaml:19: "../a" is not the name of a package',
    ],
    [
      lockOf('  a@1.0.0:\n    resolution: {directory: ../../a, type: directory}\n'),
      'LOCK_INVALID web/pnpm-lock.yaml:19: "../../a" leads out of the source tree',
    ],
    [
      lockOf('  a@1.0.0:\n    resolution: {type: variations}\n'),
      'LOCK_UNSUPPORTED web/pnpm-lock.yaml:19: the resolution "variations" of pnpm is not supported',
    ],
  ])('%# is refused', (text, fault) => {
    expect(faultOf(() => readText(text))).toBe(fault);
  });
});
