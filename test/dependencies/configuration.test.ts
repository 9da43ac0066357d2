import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Agent, openAgent } from '../../src/dependencies/fetch/agent.ts';
import { readCargoConfig } from '../../src/dependencies/fetch/cargo-config.ts';
import { printedBy, readNpmConfig } from '../../src/dependencies/fetch/npm-config.ts';
import { decodeCrateIndex, decodeFileList, Registries } from '../../src/dependencies/fetch/registries.ts';
import type { Entry } from '../../src/protocol/lock-formats/index.ts';
import { scratch } from '../e2e/support/processes.ts';
import { registry } from './registry.ts';

const { signal } = new AbortController();
let home: string;
let env: NodeJS.ProcessEnv;

beforeEach(async () => {
  home = await scratch();
  await mkdir(join(home, 'bin'));
  await mkdir(join(home, '.cargo'));
  // No package manager of this host.
  env = { PATH: join(home, 'bin'), HOME: home };
});

/** A program of this name that says this. */
async function program(name: string, script: string): Promise<void> {
  await writeFile(join(home, 'bin', name), `#!/bin/sh\n${script}\n`);
  await chmod(join(home, 'bin', name), 0o755);
}

describe('the configuration of cargo', () => {
  const read = async (config: string, credentials = '', more: NodeJS.ProcessEnv = {}) => {
    await writeFile(join(home, '.cargo', 'config.toml'), config);
    await writeFile(join(home, '.cargo', 'credentials.toml'), credentials);
    return readCargoConfig({ ...env, ...more });
  };

  it('names the index of a registry, by as many replacements as there are', async () => {
    const { indexOf, isNamed } = await read(`
      [source.crates-io]
      replace-with = "one"
      [source.one]
      replace-with = "two"
      [source.git]
      registry = "https://git.example/index"
      replace-with = "named"
      [source.two]
      registry = "sparse+https://two.example/index"
      [source.round]
      registry = "https://round.example"
      replace-with = "about"
      [source.about]
      replace-with = "round"
      [registries.named]
      index = "sparse+https://named.example/"
    `);
    expect(indexOf(undefined)).toBe('https://two.example/index/');
    expect(indexOf('https://git.example/index')).toBe('https://named.example/');
    expect(indexOf('sparse+https://lock.example')).toBe('https://lock.example/');
    expect(indexOf('https://round.example')).toBeUndefined();
    expect(indexOf('https://unknown.example')).toBeUndefined();
    expect(
      ['https://two.example/index/', 'https://named.example/', 'https://lock.example/'].map(isNamed),
    ).toEqual([true, true, false]);
  });

  it('has the token of an index, of files and of the environment', async () => {
    const { indexOf, authorization } = await read(
      '[registries.one]\nindex = "sparse+https://one.example/"\n[registries.other]\nindex = "sparse+https://other.example/"',
      '[registries.one]\ntoken = "first"',
      {
        CARGO_REGISTRIES_MY_OWN_INDEX: 'sparse+https://own.example/',
        CARGO_REGISTRIES_MY_OWN_TOKEN: 'own',
        CARGO_REGISTRIES_NAMED_INDEX: undefined,
      },
    );
    const hosts = ['one', 'other', 'own', 'unknown'];
    expect(hosts.map((host) => authorization(`https://${host}.example/`))).toEqual([
      ...['first', undefined, 'own', undefined],
    ]);
    // A git repository for all that is known.
    expect(indexOf(undefined)).toBeUndefined();
  });

  it('is that of the older name where there are both, and none where there is no file', async () => {
    expect((await readCargoConfig(env)).indexOf(undefined)).toBeUndefined();
    const source = (host: string) => `[source.crates-io]\nregistry = "sparse+https://${host}.example"`;
    await writeFile(join(home, '.cargo', 'config'), source('old'));
    expect((await read(source('new'))).indexOf(undefined)).toBe('https://old.example/');
    const elsewhere = { ...env, CARGO_HOME: home };
    expect((await readCargoConfig(elsewhere)).indexOf(undefined)).toBeUndefined();
  });

  it('that cannot be read is named', async () => {
    await expect(read('[')).rejects.toMatchObject({
      code: 'DEPENDENCIES_CLIENT',
      message: expect.stringContaining('config.toml: '),
    });
  });
});

describe('the configuration of npm', () => {
  const read = async (settings: object, npmrc?: string) => {
    const userconfig = join(home, 'npmrc');
    if (npmrc !== undefined) await writeFile(userconfig, npmrc);
    await program('npm', `echo '${JSON.stringify({ ...settings, userconfig, globalconfig: null })}'`);
    return readNpmConfig({ ...env, SECRET: 'of the environment' }, signal);
  };

  it('has the registry of a scope, or the general one, or none', async () => {
    const { registryOf, registries } = await read({
      registry: 'https://all.example',
      '@own:registry': 'https://own.example/npm/',
      'other-registry': 'x',
      '@empty:registry': '',
    });
    expect(['thing', '@own/thing', '@empty/thing', '@else/thing'].map((name) => registryOf(name))).toEqual([
      ...['https://all.example/', 'https://own.example/npm/', 'https://all.example/', 'https://all.example/'],
    ]);
    expect(registries).toEqual(['https://all.example', 'https://own.example/npm/']);
    expect((await read({})).registryOf('thing')).toBeUndefined();
  });

  it.each([
    ['//host.example/:_authToken=${SECRET}', 'Bearer of the environment'],
    ['//host.example/:_authToken=${UNKNOWN}', 'Bearer ${UNKNOWN}'],
    ['//host.example/npm/:_auth=abc', 'Basic abc'],
    ['//host.example/npm/thing:_authToken=longest\n//host.example/:_authToken=short', 'Bearer longest'],
    [
      `//host.example/:username=me\n//host.example/:_password=${Buffer.from('secret').toString('base64')}`,
      `Basic ${Buffer.from('me:secret').toString('base64')}`,
    ],
    ['//host.example/:username=me', undefined],
    ['//host.example/npm/thi:_authToken=x\n//host.example/npm/other/:_authToken=x', undefined],
    ['//other.example/:_authToken=x', undefined],
  ])('has the credentials of an address by its longest path: %s', async (npmrc, expected) => {
    const { authorization } = await read({}, npmrc);
    expect(authorization('https://host.example/npm/thing')).toBe(expected);
  });

  it.each([
    ['http://host.example/a', undefined],
    ['http://localhost:1/a', 'Bearer x'],
    ['http://127.3.2.1/a', 'Bearer x'],
    ['http://[::1]/a', 'Bearer x'],
    ['http://plain.example/a', 'Bearer x'],
    ['http://127.0.0.1.host.example/a', undefined],
  ])(
    'sends none in the clear, but to this host and to a registry that is configured so: %s',
    async (url, expected) => {
      const { host } = new URL(url);
      const { authorization } = await read({ registry: 'http://plain.example' }, `//${host}/:_authToken=x`);
      expect(authorization(url)).toBe(expected);
    },
  );

  it('that cannot be read is named, as npm or as its file', async () => {
    const failed = (message: RegExp) => ({
      code: 'DEPENDENCIES_CLIENT',
      message: expect.stringMatching(message),
    });
    await mkdir(join(home, 'npmrc'));
    await expect(read({})).rejects.toMatchObject(failed(/npmrc: EISDIR/));
    await program('npm', 'echo no JSON');
    await expect(readNpmConfig(env, signal)).rejects.toMatchObject(failed(/printed no JSON/));
    await program('npm', 'echo null');
    await expect(readNpmConfig(env, signal)).rejects.toMatchObject(failed(/printed no JSON/));
    await program('npm', 'exit 3');
    await expect(readNpmConfig(env, signal)).rejects.toMatchObject(
      failed(/^npm config list --json --long: /),
    );
  });
});

describe('a program', () => {
  it('that is not installed prints nothing', async () => {
    expect(await printedBy('npm', [], env, signal)).toBeUndefined();
  });

  it('that prints without end is stopped', async () => {
    await program(
      'npm',
      'while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done',
    );
    await expect(printedBy('npm', [], env, signal)).rejects.toMatchObject({ code: 'DEPENDENCIES_CLIENT' });
  });

  it('that the caller ends has the reason of that', async () => {
    const reason = new Error('enough');
    await program('npm', 'exit 3');
    await expect(printedBy('npm', [], env, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});

describe('the address of', () => {
  let agent: Agent;

  const addresses = async (more: Partial<Entry>, of: NodeJS.ProcessEnv = env): Promise<string[]> => {
    agent = await openAgent({ reach: async ({ host }) => [host], isDirect: true });
    const entry: Entry = {
      ecosystem: 'pypi',
      name: 'thing',
      version: '1.0.0',
      purl: 'pkg:pypi/thing@1.0.0',
      file: 'thing',
      integrity: { algorithm: 'sha256', digests: ['ab'.repeat(32)] },
      lock: 'lock',
      line: 1,
      origin: { kind: 'registry' },
      ...more,
    };
    try {
      const found = await new Registries({ env: of, agent, signal }).candidates(entry);
      return found.map(({ url }) => url);
    } finally {
      await agent.destroy();
    }
  };

  it.each([
    ['https://x.example/', 'Abcd', 'https://x.example/Abcd/1.0.0/download'],
    ['https://x.example/{crate}-{version}', 'Abcd', 'https://x.example/Abcd-1.0.0'],
    ['https://x.example/{prefix}/{crate}', 'Ab', 'https://x.example/2/Ab'],
    ['https://x.example/{prefix}/{crate}', 'Abc', 'https://x.example/3/A/Abc'],
    ['https://x.example/{lowerprefix}/{crate}', 'ABCDE', 'https://x.example/ab/cd/ABCDE'],
    ['https://x.example/{unknown}/{prefix}', 'a', 'https://x.example/{unknown}/1'],
  ])('a crate is as its index says: %s of %s', async (dl, name, expected) => {
    const { url } = await registry({ '/config.json': Buffer.from(JSON.stringify({ dl })) });
    const origin = { kind: 'registry' as const, registry: `sparse+${url}` };
    expect(await addresses({ ecosystem: 'cargo', name, origin })).toEqual([expected]);
  });

  it('a package of Python is at the index of the environment, of pip, or of Python’s own', async () => {
    const list = (name: string) =>
      Buffer.from(
        JSON.stringify({ files: [{ filename: 'thing', url: name, hashes: { sha256: 'ab'.repeat(32) } }] }),
      );
    const files = { '/one/thing/': list('/a'), '/two/thing/': list('/b'), '/three/thing/': list('/c') };
    const { url } = await registry(files);
    await expect(addresses({})).rejects.toMatchObject({ code: 'DEPENDENCIES_CLIENT' });
    await program('python3', `echo '${url}/three/'`);
    expect(await addresses({})).toEqual([`${url}/c`]);
    await program('pip', `echo "global.timeout='3'"; echo "global.index-url='${url}/two'"`);
    expect(await addresses({})).toEqual([`${url}/b`]);
    expect(await addresses({}, { ...env, PIP_INDEX_URL: `${url}/one/` })).toEqual([`${url}/a`]);
    await program('pip', 'exit 1');
    await expect(addresses({})).rejects.toMatchObject({ code: 'DEPENDENCIES_CLIENT' });
  });

  it('a module of Go is at each proxy, of the environment or of go', async () => {
    const module = { ecosystem: 'go' as const, name: 'example.org/Lib', file: 'v1.0.0-RC.zip' };
    await program('go', 'echo https://one.example/,direct');
    expect(await addresses(module)).toEqual(['https://one.example/example.org/!lib/@v/v1.0.0-!r!c.zip']);
    const more = { ...env, GOPROXY: 'file:///x|https://two.example,http://three.example/p,off' };
    expect((await addresses(module, more)).map((at) => new URL(at).host)).toEqual([
      ...['two.example', 'three.example'],
    ]);
  });

  it('a file is each once, and first where its lock file says', async () => {
    const url = 'https://registry.example/a';
    const origin = { kind: 'url' as const, url };
    expect(await addresses({ ecosystem: 'generic', origin })).toEqual([url]);
    expect(await addresses({ ecosystem: 'generic', origin, mirror: url })).toEqual([url]);
    const mirror = 'https://mirror.example/a';
    expect(await addresses({ ecosystem: 'generic', origin, mirror })).toEqual([mirror, url]);
  });
});

describe('a list of a registry', () => {
  const where = 'https://registry.example/simple/';

  it.each(['ftp://x.example', 'https://', 'https://x y', '', 7, `https://${'x'.repeat(2_000)}`])(
    'with crates at %j is none',
    (dl) => {
      expect(() => decodeCrateIndex(JSON.stringify({ dl }), where)).toThrow('another list than expected');
    },
  );

  it('has files of the web alone', () => {
    const hashes = { sha256: 'ab'.repeat(32) };
    const files = ['a', 'file:///etc/passwd', 'http://['].map((url) => ({ filename: 'x', url, hashes }));
    expect(decodeFileList(JSON.stringify({ files }), where).map(({ url }) => url)).toEqual([`${where}a`]);
    expect(decodeFileList(JSON.stringify({ files: [{ ...files[0], hashes: {} }] }), where)).toEqual([]);
    expect(() => decodeFileList('{}', where)).toThrow('another list than expected');
  });
});
