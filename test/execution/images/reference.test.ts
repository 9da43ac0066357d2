import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { credentialFor } from '../../../src/execution/images/pull/credentials.ts';
import { parseReference, referenceText } from '../../../src/execution/images/pull/reference.ts';
import { decodeToken, parseChallenge } from '../../../src/execution/images/pull/registry.ts';
import { folder } from '../../support/code-and-folder.ts';

const digest = `sha256:${'ab'.repeat(32)}`;

describe('the name of an image', () => {
  it.each([
    'registry.example/gcc',
    'localhost/gcc:13',
    `localhost:5000/a/b_c/d-e.f:tag@${digest}`,
    `[::1]:5000/x@sha512:${'ab'.repeat(64)}`,
    `registry.example/${'x'.repeat(255)}`,
    `${'r'.repeat(1_000 - '.example/gcc'.length)}.example/gcc`,
    `registry.example/${'x'.repeat(255)}:${'t'.repeat(128)}`,
  ])('is read as it is written: %s', (text) => {
    expect(referenceText(parseReference(text))).toBe(text);
  });

  it.each([
    ['https://registry.example/gcc', /scheme/],
    ['gcc', /no name of a registry/],
    ['library/gcc', /no name of a registry/],
    ['-registry.example/gcc', /no name of a registry/],
    ['registry.example:123456/gcc', /no name of a registry/],
    [`${'r'.repeat(1_001 - '.example/gcc'.length)}.example/gcc`, /no name of a registry/],
    ['registry.example/', /small letters/],
    ['registry.example/GCC', /small letters/],
    ['registry.example/a//b', /small letters/],
    [`registry.example/${'x'.repeat(256)}`, /small letters/],
    [`registry.example/x:${'t'.repeat(129)}`, /small letters/],
    ['registry.example/gcc@sha256:abc', /digest/],
    ['registry.example/gcc@', /digest/],
  ])('is refused where it is none: %s', (text, why) => {
    expect(() => parseReference(text)).toThrow(why);
  });
});

describe('a registry', () => {
  it.each([
    ['Basic realm="x"', { scheme: 'basic' }],
    [
      'Bearer realm="https://auth.example/t",service="s",scope="a b",realm="https://other.example"',
      { scheme: 'bearer', realm: new URL('https://auth.example/t'), service: 's', scope: 'a b' },
    ],
    ['bearer realm=http://auth.example/', { scheme: 'bearer', realm: new URL('http://auth.example/') }],
    ['Negotiate x', undefined],
    ['Bearer service="s"', undefined],
    ['Bearer realm="ftp://auth.example/"', undefined],
    ['Bearer realm="https://me@auth.example/"', undefined],
    ['Bearer realm="https://:me@auth.example/"', undefined],
    [`Basic ${'x'.repeat(8 * 1024 - 6)}`, { scheme: 'basic' }],
    [`Basic ${'x'.repeat(8 * 1024 - 5)}`, undefined],
  ])('wants credentials in one of two ways: %s', (text, expected) => {
    expect(parseChallenge(text)).toEqual(expected);
  });

  it.each([
    ['{"token":"a.b-c"}', 'a.b-c'],
    ['{"access_token":"a","expires_in":3}', 'a'],
    ['{"token":"a\\r\\nx: y"}', undefined],
    [`{"token":"${'a'.repeat(64 * 1024)}"}`, 'a'.repeat(64 * 1024)],
    [`{"token":"${'a'.repeat(64 * 1024 + 1)}"}`, undefined],
    ['{}', undefined],
    ['no JSON', undefined],
  ])('has a token that may stand in a header: %s', (text, expected) => {
    expect(decodeToken(text)).toBe(expected);
  });
});

describe('credentials', () => {
  const image = { host: 'registry.example', name: 'a/b' };
  const place = async (file: object | string, ...at: string[]) => {
    const dir = await folder();
    const path = join(dir, ...at);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, typeof file === 'string' ? file : JSON.stringify(file));
    return { dir, path };
  };
  const auths = (...keys: string[]) => ({
    auths: Object.fromEntries(keys.map((key) => [key, { auth: Buffer.from(key).toString('base64') }])),
  });
  const found = async (env: NodeJS.ProcessEnv) => {
    const { authorization = '' } = (await credentialFor(image, env)) ?? {};
    return Buffer.from(authorization.replace('Basic ', ''), 'base64').toString();
  };

  it.each([
    [['registry.example', 'registry.example/a', 'registry.example/a/b'], 'registry.example/a/b'],
    [['registry.example', 'registry.example/a', 'registry.example/b'], 'registry.example/a'],
    [['https://registry.example/v1/', 'registry.example'], 'registry.example'],
    [['https://registry.example/v2/'], 'https://registry.example/v2/'],
    [['other.example', 'registry.example/a/c'], ''],
  ])('of a registry are those of the closest entry: %j', async (keys, expected) => {
    const { path } = await place(auths(...keys), 'auth.json');
    expect(await found({ REGISTRY_AUTH_FILE: path })).toBe(expected);
  });

  it('are looked for where container tools look, in their order', async () => {
    const { path } = await place(auths('other.example'), 'auth.json');
    const runtime = await place(auths('registry.example'), 'containers', 'auth.json');
    const home = await place(auths('https://registry.example'), '.docker', 'config.json');
    const env = { REGISTRY_AUTH_FILE: path, XDG_RUNTIME_DIR: runtime.dir, HOME: home.dir };
    expect(await found(env)).toBe('registry.example');
    expect(await found({ ...env, XDG_RUNTIME_DIR: home.dir })).toBe('https://registry.example');
    expect(await found({ ...env, XDG_RUNTIME_DIR: home.path, DOCKER_CONFIG: runtime.dir })).toBe('');
    expect(await found({ HOME: join(home.dir, '.docker', 'config.json') })).toBe('');
    expect(await found({})).toBe('');
  });

  it.each(['no JSON', '{"auths":1}', '{"auths":{"registry.example":{"auth":"no base64!"}}}'])(
    'that cannot be used are named: %s',
    async (text) => {
      const { path } = await place(text, 'auth.json');
      await expect(found({ REGISTRY_AUTH_FILE: path })).rejects.toMatchObject({
        code: 'IMAGE_CREDENTIALS',
        message: expect.stringContaining(path),
      });
      await expect(found({ REGISTRY_AUTH_FILE: join(path, '..') })).rejects.toMatchObject({
        code: 'IMAGE_CREDENTIALS',
      });
    },
  );
});
