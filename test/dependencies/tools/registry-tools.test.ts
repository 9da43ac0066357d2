import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sandbox } from '../../../sandbox/index.ts';
import { exited, tempFolder, unprobed } from '../../sandbox/support.ts';
import { Blobs, build, hex, npmPackage, outputs, sri } from './support.ts';

let folder: Awaited<ReturnType<typeof tempFolder>>;
let sandbox: Sandbox;

beforeAll(async () => {
  folder = await tempFolder();
  sandbox = unprobed(folder.path);
});
afterAll(() => folder?.remove());

/** A tool as npm's own client brings it, as an input of a build. */
async function tool(spec: string) {
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--silent', '--pack-destination', folder.path, spec],
    {
      cwd: folder.path,
      timeout: 120_000,
    },
  );
  return [{ name: 'tool', tar: createReadStream(join(folder.path, stdout.trim())).pipe(createGunzip()) }];
}

/** Packages that need each other, and where their registry has them. */
async function packages() {
  const blobs = new Blobs();
  const one = await npmPackage('one', '1.0.0', { peerDependencies: { '@scope/two': '*' } });
  const two = await npmPackage('@scope/two', '2.0.0', { dependencies: { one: '1.0.0' } });
  for (const bytes of [one, two]) blobs.add(bytes);
  return { blobs, two, hashes: { one: sri('sha512', one), two: sri('sha512', two) } };
}

const says = `for name in one @scope/two alias member; do node -p "require('$name')"; done > $OUT/said`;
const said = { said: 'one 1.0.0\n@scope/two 2.0.0\none 1.0.0\nmember\n' };

const member = {
  'member/package.json': JSON.stringify({ name: 'member', version: '1.0.0', main: 'index.js' }),
  'member/index.js': 'module.exports = "member";\n',
};

describe('pnpm install --offline --frozen-lockfile', () => {
  it.each(['9.15.9', '10.34.9'])('installs what the lock demands, pnpm %s', async (version) => {
    const { blobs, hashes } = await packages();
    const dependencies = {
      one: '1.0.0',
      '@scope/two': '2.0.0',
      alias: 'npm:one@1.0.0',
      member: 'workspace:*',
    };
    const source = {
      ...member,
      'package.json': JSON.stringify({ name: 'project', dependencies }),
      'pnpm-workspace.yaml': 'packages: [member]\n',
      'pnpm-lock.yaml': `lockfileVersion: '9.0'

settings:
  autoInstallPeers: true
  excludeLinksFromLockfile: false

importers:

  .:
    dependencies:
      '@scope/two':
        specifier: 2.0.0
        version: 2.0.0
      alias:
        specifier: npm:one@1.0.0
        version: one@1.0.0(@scope/two@2.0.0)
      member:
        specifier: workspace:*
        version: link:member
      one:
        specifier: 1.0.0
        version: 1.0.0(@scope/two@2.0.0)

  member: {}

packages:

  '@scope/two@2.0.0':
    resolution: {integrity: ${hashes.two}}

  one@1.0.0:
    resolution: {integrity: ${hashes.one}}
    peerDependencies:
      '@scope/two': '*'

snapshots:

  '@scope/two@2.0.0':
    dependencies:
      one: 1.0.0(@scope/two@2.0.0)

  one@1.0.0(@scope/two@2.0.0):
    dependencies:
      '@scope/two': 2.0.0
`,
    };
    const pnpm = 'node /build/in/tool/package/bin/pnpm.cjs';
    const run = [
      'cp pnpm-lock.yaml ~',
      `${pnpm} install --offline --frozen-lockfile`,
      'cmp pnpm-lock.yaml ~/pnpm-lock.yaml',
      says,
    ];
    const ran = await build(
      sandbox,
      source,
      { locks: ['pnpm-lock.yaml'], blobs },
      run,
      await tool(`pnpm@${version}`),
    );
    expect(ran.outcome, ran.log).toEqual(exited(0));
    expect(outputs(ran)).toEqual(said);
  });
});

describe('yarn install --offline --frozen-lockfile', () => {
  it('installs what the lock demands, yarn 1', async () => {
    const { blobs, two, hashes } = await packages();
    const dependencies = { one: '1.0.0', '@scope/two': '2.0.0', alias: 'npm:one@1.0.0', member: '1.0.0' };
    const urls = {
      one: 'https://registry.example.org/one/-/one-1.0.0.tgz',
      two: 'https://registry.example.org/@scope/two/-/two-2.0.0.tgz',
    };
    const source = {
      ...member,
      'package.json': JSON.stringify({
        name: 'project',
        private: true,
        workspaces: ['member'],
        dependencies,
      }),
      'yarn.lock': `# yarn lockfile v1


"@scope/two@2.0.0":
  version "2.0.0"
  resolved "${urls.two}#${hex('sha1', two)}"
  integrity ${hashes.two}
  dependencies:
    one "1.0.0"

"alias@npm:one@1.0.0", one@1.0.0:
  version "1.0.0"
  resolved "${urls.one}"
  integrity ${hashes.one}
`,
    };
    const yarn = 'node /build/in/tool/package/bin/yarn.js';
    const run = [
      'cp yarn.lock ~',
      `${yarn} install --offline --frozen-lockfile`,
      'cmp yarn.lock ~/yarn.lock',
      says,
    ];
    const ran = await build(
      sandbox,
      source,
      { locks: ['yarn.lock'], blobs },
      run,
      await tool('yarn@1.22.22'),
    );
    expect(ran.outcome, ran.log).toEqual(exited(0));
    expect(outputs(ran)).toEqual(said);
  });
});
