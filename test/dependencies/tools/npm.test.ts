import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../../sandbox/index.ts';
import { exited, tempFolder, unprobed } from '../../sandbox/support.ts';
import { archive, Blobs, build, hex, npmFile, npmPackage, outputs, sri } from './support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
let sandbox: Sandbox;

beforeAll(async () => {
  folder = await tempFolder();
  sandbox = unprobed(folder.path);
});
afterAll(() => folder?.remove());

describe('npm ci', () => {
  it('installs offline what the lock demands, in each form that locks have, and leaves the source as it is', async () => {
    const blobs = new Blobs();
    const scoped = await npmPackage('@scope/plain', '1.0.0', { bin: { plain: 'index.js' } });
    const old = await npmPackage('old', '2.0.0');
    const older = await npmPackage('old', '1.0.0');
    const mirrored = await npmPackage('mirrored', '3.0.0', {
      scripts: { install: 'echo "console.log(1)" > made.js' },
    });
    const unhashed = await npmPackage('unhashed', '1.2.3');
    const direct = await archive([
      { name: 'x/package.json', content: '{"name":"direct","version":"0.0.1"}' },
    ]);
    const url = {
      mirrored: 'https://packages.example.org/npm/mirrored/-/mirrored-3.0.0.tgz',
      unhashed: 'https://packages.example.org/unhashed/-/unhashed-1.2.3.tgz',
      direct: 'https://example.org/files/direct.tar.gz?v=1',
    };
    for (const bytes of [scoped, old, older, mirrored, unhashed, direct]) blobs.add(bytes);
    const dependencies = {
      '@scope/plain': '1',
      old: '2',
      mirrored: '3',
      unhashed: '1',
      direct: url.direct,
      alias: 'npm:old@1',
      member: '*',
    };
    const root = { name: 'project', version: '1.0.0', workspaces: ['member'], dependencies };
    const lock = {
      name: 'project',
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': {
          name: 'project',
          version: '1.0.0',
          workspaces: ['member'],
          dependencies,
          optionalDependencies: { other: '1' },
        },
        member: { version: '1.0.0' },
        'node_modules/member': { resolved: 'member', link: true },
        'node_modules/@scope/plain': {
          version: '1.0.0',
          integrity: sri('sha512', scoped),
          bin: { plain: 'index.js' },
        },
        'node_modules/old': { version: '2.0.0', integrity: sri('sha512', old) },
        'node_modules/alias': { name: 'old', version: '1.0.0', integrity: sri('sha1', older) },
        'node_modules/mirrored': {
          version: '3.0.0',
          resolved: url.mirrored,
          integrity: sri('sha512', mirrored),
          hasInstallScript: true,
        },
        'node_modules/unhashed': { version: '1.2.3', resolved: url.unhashed },
        'node_modules/direct': { version: '0.0.1', resolved: url.direct, integrity: sri('sha512', direct) },
        'node_modules/other': {
          version: '1.0.0',
          integrity: sri('sha512', old),
          optional: true,
          os: ['win32'],
        },
      },
    };
    const source = {
      'package.json': JSON.stringify({ ...root, optionalDependencies: { other: '1' } }),
      'package-lock.json': JSON.stringify(lock, undefined, 2),
      'quorate.lock': `quorate-lock 1
pkg:npm/old@1.0.0 old-1.0.0.tgz sha256:${hex('sha256', older)}
pkg:npm/unhashed@1.2.3 unhashed-1.2.3.tgz sha256:${hex('sha256', unhashed)}
`,
      'member/package.json': JSON.stringify({ name: 'member', version: '1.0.0', main: 'index.js' }),
      'member/index.js': 'module.exports = "member";\n',
    };
    const locks = ['package-lock.json'];
    const ran = await build(sandbox, source, { locks, blobs }, [
      'cp package-lock.json ~/before',
      'npm ci',
      'cmp package-lock.json ~/before',
      'for name in @scope/plain old alias mirrored unhashed member; do node -p "require(\'$name\')"; done > $OUT/said',
      'test -e node_modules/direct/package.json; test -x node_modules/.bin/plain; test ! -e node_modules/other',
      'node node_modules/mirrored/made.js > $OUT/script',
    ]);
    expect(ran.outcome, ran.log).toEqual(exited(0));
    expect(outputs(ran)).toEqual({
      said: '@scope/plain 1.0.0\nold 2.0.0\nold 1.0.0\nmirrored 3.0.0\nunhashed 1.2.3\nmember\n',
      script: '1\n',
    });
  });

  it('refuses other bytes than those of the lock, and a package that the lock does not name', async () => {
    const blobs = new Blobs();
    const bytes = await npmPackage('one', '1.0.0');
    const other = npmFile(blobs, ['one', '1.0.0', await npmPackage('one', '1.0.1')], {
      locked: sri('sha512', bytes),
    });
    const lock = {
      name: 'project',
      lockfileVersion: 3,
      requires: true,
      packages: {
        '': { name: 'project', dependencies: { one: '1' } },
        'node_modules/one': {
          version: '1.0.0',
          resolved: 'https://example.org/one/-/one-1.0.0.tgz',
          integrity: sri('sha512', bytes),
        },
      },
    };
    const source = {
      'package.json': JSON.stringify({ name: 'project', dependencies: { one: '1' } }),
      'package-lock.json': JSON.stringify(lock),
    };
    const ran = await build(sandbox, source, { locks: ['package-lock.json'], files: [other], blobs }, [
      'npm ci',
    ]);
    expect(ran.outcome.kind === 'exit' && ran.outcome.code).not.toBe(0);
    expect(ran.log).toMatch(/EINTEGRITY|corrupted/);
    const added = await build(sandbox, source, { locks: ['package-lock.json'], files: [], blobs }, [
      'npm install left-pad',
    ]);
    expect(added.outcome.kind === 'exit' && added.outcome.code).not.toBe(0);
    expect(added.log).toContain('ENOTCACHED');
  });
});
