import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { fetchLimits } from '../../../src/dependencies/fetch/limits.ts';
import { pullLimits } from '../../../src/execution/images/limits.ts';
import { importImage } from '../../../src/execution/images/make.ts';
import { type PullOptions, pullImage } from '../../../src/execution/images/pull/pull.ts';
import { RegistryBlobs } from '../../../src/execution/images/pull/registry-blobs.ts';
import { file, type Layout, layoutOf, scratch, writeLayout } from '../../image/support.ts';
import { smallSystem } from '../../image/system.ts';
import { withLimits } from '../../support/with-limits.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => boolean;

interface Served {
  host: string;
  /** Paths that were asked for, with `authorization` and `range` where there was one. */
  asked: string[];
}

const listen = async (
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> => {
  const server = createServer(answer);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** A registry with one image, `tools/gcc`. `first` may answer instead. */
async function registry(layout: Layout, first: Answer = () => false): Promise<Served> {
  const asked: string[] = [];
  const host = await listen((request, response) => {
    const { url = '', headers } = request;
    asked.push([url, headers.authorization, headers.range].filter(Boolean).join(' '));
    if (first(request, response)) return;
    const [, name = ''] = /^\/v2\/tools\/gcc\/(?:blobs|manifests)\/(.*)$/.exec(url) ?? [];
    const found = name === 'v1' ? manifestOf(layout) : `blobs/${name.replace(':', '/')}`;
    const bytes = layout.files.get(found);
    if (bytes === undefined) response.writeHead(404).end();
    else response.end(bytes);
  });
  return { host, asked };
}

const topOf = ({ files }: Layout): { digest: string; size: number } =>
  JSON.parse(String(files.get('index.json'))).manifests[0];
const manifestOf = (layout: Layout): string => `blobs/${topOf(layout).digest.replace(':', '/')}`;
const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function pull(reference: string, options: Partial<PullOptions> = {}) {
  // A registry on this host is not asked through a proxy.
  vi.stubEnv('http_proxy', 'http://127.0.0.1:1');
  onTestFinished(() => void vi.unstubAllEnvs());
  const dir = await scratch();
  return pullImage({
    reference,
    dir: join(dir, 'images'),
    cache: join(dir, 'layers'),
    arch: 'x86_64',
    env: {},
    plainHttp: false,
    signal: AbortSignal.timeout(120_000),
    ...options,
  });
}

const refOf = (host: string, layout: Layout): string => `${host}/tools/gcc@${topOf(layout).digest}`;

/** An image of two small layers, in which nothing can be built. */
let small: Layout;
beforeAll(async () => {
  small = await layoutOf([[file('one', 'x'.repeat(100_000))], [file('two')]], { packing: 'tar' });
});

/** A pull of that image gets as far as this: all of it is here. */
const arrived = { message: expect.stringMatching(/^the image lacks /) };

describe('an image is pulled', () => {
  it('as the same that an import of its layout gives; layers are fetched once, with progress', async () => {
    const layout = await layoutOf([smallSystem(), [file('etc/made', 'here')]]);
    const { host, asked } = await registry(layout);
    const dir = await scratch();
    const steps: [string, number, number | undefined][] = [];
    const where = { dir: join(dir, 'images'), cache: join(dir, 'layers') };
    const onProgress: PullOptions['onProgress'] = (...step) => steps.push(step);
    const made = await pull(refOf(host, layout), { ...where, onProgress });
    const signal = AbortSignal.timeout(120_000);
    const imported = await importImage({
      path: await writeLayout(layout),
      dir: where.dir,
      name: undefined,
      arch: 'x86_64',
      signal,
    });
    expect(made.image).toBe(imported.image);
    const total = layout.layers.reduce((sum, { size }) => sum + size, 0);
    expect(steps.filter(([step]) => step === 'fetch').at(-1)).toEqual(['fetch', total, total]);
    expect(asked.filter((path) => path.includes('/blobs/'))).toHaveLength(3);
    await pull(refOf(host, layout), where);
    expect(asked.filter((path) => path.includes('/blobs/'))).toHaveLength(3);
  });

  it('for its processor, from an index of several', async () => {
    const arm = await layoutOf([[file('arm')]], { architecture: 'arm64', packing: 'tar' });
    const entries = [small, arm].map((layout, at) => ({
      ...topOf(layout),
      platform: { os: 'linux', architecture: at === 0 ? 'amd64' : 'arm64' },
    }));
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: entries }));
    const digest = digestOf(index);
    const files = new Map([...small.files, ...arm.files, [`blobs/${digest.replace(':', '/')}`, index]]);
    const { host, asked } = await registry({ files, layers: [] });
    const reference = `${host}/tools/gcc@${digest}`;
    await expect(pull(reference, { arch: 'aarch64' })).rejects.toMatchObject(arrived);
    expect(asked.join()).toContain(arm.layers[0]?.digest);
    expect(asked.join()).not.toContain(small.layers[0]?.digest);
    const other = `${host}/tools/gcc@${topOf(arm).digest}`;
    await expect(pull(other)).rejects.toMatchObject({ code: 'IMAGE_ARCH_MISMATCH' });
  });

  it('not by a tag: the error names the digest that it has now', async () => {
    const { host } = await registry(small);
    const { digest } = topOf(small);
    await expect(pull(`${host}/tools/gcc:v1`)).rejects.toMatchObject({
      code: 'IMAGE_REFERENCE_INVALID',
      hint: `Now it has this one: quorate image pull ${host}/tools/gcc:v1@${digest}`,
    });
    await expect(pull(`${host}/tools/gcc:v1@${digest}`)).rejects.toMatchObject(arrived);
    await expect(pull(`${host}/tools/gcc:none`)).rejects.toMatchObject({
      code: 'IMAGE_REFERENCE_INVALID',
      hint: expect.stringContaining('answered 404'),
    });
  });

  it.each([
    'gcc',
    'gcc@sha256:00',
    'tools/gcc@sha256:0',
    'registry.example/',
    'registry.example/../x',
    'registry.example/A',
    'registry.example:99999/x',
    '1.2.3.4.5/x',
    'user@registry.example/x',
    'registry.example/x?y',
  ])('not by %s', (reference) =>
    expect(pull(reference)).rejects.toMatchObject({ code: 'IMAGE_REFERENCE_INVALID' }),
  );

  it('on from where an answer broke off, and one that ended short', async () => {
    withLimits(fetchLimits, { retryMs: 1 });
    const large = await layoutOf([[file('one', 'x'.repeat(1_500_000))]], { packing: 'tar' });
    const layer = large.layers[0];
    for (const isShort of [false, true]) {
      let count = 0;
      const { host, asked } = await registry(large, ({ url = '', headers }, response) => {
        if (!url.endsWith(String(layer?.digest))) return false;
        const bytes = large.files.get(`blobs/${layer?.digest.replace(':', '/')}`) ?? Buffer.alloc(0);
        count += 1;
        if (count > 1) {
          const [, from = ''] = /^bytes=(\d+)-$/.exec(headers.range ?? '') ?? [];
          response.writeHead(206, { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` });
          response.end(bytes.subarray(Number(from)));
          return true;
        }
        // Without a length the answer is whole, only too short.
        if (!isShort) response.writeHead(200, { 'content-length': bytes.length });
        response.write(bytes.subarray(0, 1_000_000), () =>
          isShort ? response.end() : response.socket?.end(),
        );
        return true;
      });
      const error = await pull(refOf(host, large)).catch((found: unknown) => found);
      expect(error, String(error)).toMatchObject(arrived);
      const ranges = asked.filter((one) => one.includes(' bytes='));
      expect(ranges).toEqual([expect.stringMatching(isShort ? / bytes=1000000-$/ : / bytes=[1-9]\d+-$/)]);
    }
  });
});

it('an error that is none of the registry is passed on as it is', async () => {
  const broken = { get: async () => Promise.reject(new Error('broken')) };
  const reference = { host: 'registry.example', name: 'x', digest: `sha256:${'0'.repeat(64)}` };
  const blobs = new RegistryBlobs({
    registry: broken as never,
    reference: reference as never,
    cache: await scratch(),
    signal: AbortSignal.timeout(120_000),
    onBytes: () => {},
  });
  await expect(blobs.open('index.json')).rejects.toThrow(/^broken$/);
});

it('a registry that does not answer, and layers that cannot be kept, are said to be so', async () => {
  withLimits(pullLimits, { smallMs: 200 });
  const silent = await registry(small, () => true);
  await expect(pull(refOf(silent.host, small))).rejects.toMatchObject({
    code: 'IMAGE_PULL_FAILED',
    message: expect.stringContaining('takes longer than'),
  });
  await expect(pull(`${silent.host}/tools/gcc:v1`)).rejects.toMatchObject({
    code: 'IMAGE_REFERENCE_INVALID',
    hint: expect.stringContaining('could not be asked'),
  });
  withLimits(pullLimits, { smallMs: 120_000 });
  const { host } = await registry(small);
  const cache = join(await scratch(), 'layers');
  await writeFile(cache, 'no folder');
  await expect(pull(refOf(host, small), { cache })).rejects.toMatchObject({
    code: 'IMAGE_PULL_FAILED',
    message: expect.stringContaining('cannot be kept'),
  });
  const reason = new Error('cancelled');
  await expect(pull(refOf(host, small), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await expect(pull(`${host}/tools/gcc`, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});

describe('a registry cannot', () => {
  const blob = (url: string | undefined, at: number): boolean =>
    url?.endsWith(String(small.layers[at]?.digest)) ?? false;

  it('give other bytes than their digests name: of manifest, configuration and layer', async () => {
    const config = JSON.parse(String(small.files.get(manifestOf(small)))).config.digest;
    for (const wanted of [topOf(small).digest, config, small.layers[0]?.digest]) {
      const { host } = await registry(small, ({ url = '' }, response) => {
        if (!url.endsWith(wanted)) return false;
        const bytes = Buffer.from(small.files.get(`blobs/${wanted.replace(':', '/')}`) ?? '');
        bytes[20] = 1 ^ Number(bytes[20]);
        response.end(bytes);
        return true;
      });
      const error = await pull(refOf(host, small)).catch((found: unknown) => found);
      expect(error).toMatchObject({ code: 'IMAGE_PULL_MISMATCH' });
    }
  });

  it('send without end', async () => {
    for (const kind of ['manifests', 'blobs']) {
      let sent = 0;
      const { host } = await registry(small, ({ url = '' }, response) => {
        if (!url.includes(`/${kind}/`)) return false;
        const piece = Buffer.alloc(64 * 1024, 'x');
        const more = (): void => {
          sent += piece.length;
          if (!response.destroyed) response.write(piece, more);
        };
        more();
        return true;
      });
      await expect(pull(refOf(host, small))).rejects.toMatchObject({
        code: 'IMAGE_PULL_FAILED',
        message: expect.stringMatching(/sends \d+ bytes or more; at most \d+ are read/),
      });
      expect(sent).toBeLessThan(32 * 1024 * 1024);
    }
  });

  it('redirect without end, or to where nothing protects it; a redirect to another host gets no credentials', async () => {
    const loop = await registry(small, ({ url = '' }, response) => {
      response.writeHead(307, { location: url }).end();
      return true;
    });
    await expect(pull(refOf(loop.host, small))).rejects.toMatchObject({
      code: 'IMAGE_PULL_FAILED',
      message: expect.stringContaining('redirects more than'),
    });
    const open = await registry(small, (_, response) => {
      response.writeHead(307, { location: 'http://registry.example/blob' }).end();
      return true;
    });
    await expect(pull(refOf(open.host, small))).rejects.toMatchObject({
      message: expect.stringContaining('redirects to http://registry.example/blob'),
    });
    const storage = await registry(small);
    const { host } = await registry(small, ({ url = '', headers }, response) => {
      if (headers.authorization === undefined)
        response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
      else if (!blob(url, 0)) return false;
      else response.writeHead(307, { location: `http://${storage.host}${url}` }).end();
      return true;
    });
    const env = { ...(await loggedIn(host, 'me:secret')), QUORATE_PRIVATE_HOSTS: storage.host };
    await expect(pull(refOf(host, small), { env })).rejects.toMatchObject(arrived);
    expect(storage.asked).toEqual([`/v2/tools/gcc/blobs/${small.layers[0]?.digest}`]);
  });

  it('give what is no image of files, or of more layers than there may be', async () => {
    const changed = async (change: (manifest: { layers: object[]; mediaType?: string }) => void) => {
      const manifest = JSON.parse(String(small.files.get(manifestOf(small))));
      change(manifest);
      const bytes = Buffer.from(JSON.stringify(manifest));
      const digest = digestOf(bytes);
      const files = new Map([...small.files, [`blobs/${digest.replace(':', '/')}`, bytes]]);
      const { host } = await registry({ files, layers: [] });
      const error = await pull(`${host}/tools/gcc@${digest}`).catch((found: unknown) => found);
      return (error as { code: string }).code;
    };
    const mediaType = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip';
    expect(
      await changed((manifest) => {
        manifest.layers = manifest.layers.map((layer) => ({ ...layer, mediaType }));
      }),
    ).toBe('IMAGE_INVALID');
    expect(await changed((manifest) => manifest.layers.push(...Array(200).fill(manifest.layers[0])))).toBe(
      'IMAGE_INVALID',
    );
    const huge = { ...JSON.parse(String(small.files.get(manifestOf(small)))).layers[0], size: 2 ** 40 };
    expect(await changed((manifest) => manifest.layers.splice(0, 1, huge))).toBe('IMAGE_TOO_LARGE');
    expect(await changed((manifest) => Object.assign(manifest, { manifests: [] }))).not.toBe('IMAGE_UNFIT');
  });
});

/** The files of container tools, as they look after a login. */
async function loggedIn(host: string, user: string): Promise<NodeJS.ProcessEnv> {
  const dir = await scratch();
  await mkdir(join(dir, '.docker'));
  const auths = { 'registry.example': {}, [host]: { auth: Buffer.from(user).toString('base64') } };
  await writeFile(join(dir, '.docker', 'config.json'), JSON.stringify({ auths, credsStore: 'none' }));
  return { HOME: dir };
}

describe('a registry that wants to know who asks', () => {
  const basic = (user: string): string => `Basic ${Buffer.from(user).toString('base64')}`;

  /** A registry with a token server, which gives tokens to everybody, or to one user. */
  async function guarded(user?: string) {
    const tokens: string[] = [];
    const token = await listen(({ url = '', headers }, response) => {
      tokens.push([url, headers.authorization].filter(Boolean).join(' '));
      if (user !== undefined && headers.authorization !== basic(user)) response.writeHead(401).end();
      else response.end(JSON.stringify({ token: 'abc.def' }));
    });
    const challenge = `Bearer realm="http://${token}/token",service="registry",scope="repository:tools/gcc:pull"`;
    const served = await registry(small, ({ headers }, response) => {
      if (headers.authorization === 'Bearer abc.def') return false;
      response.writeHead(401, { 'www-authenticate': challenge }).end();
      return true;
    });
    return { ...served, tokens, near: { QUORATE_PRIVATE_HOSTS: token } };
  }

  it('gets the token that everybody gets', async () => {
    const { host, tokens, near: env } = await guarded();
    await expect(pull(refOf(host, small), { env })).rejects.toMatchObject(arrived);
    expect(tokens).toEqual(['/token?service=registry&scope=repository%3Atools%2Fgcc%3Apull']);
  });

  it('gets the token of a login, or says where to log in', async () => {
    const { host, tokens, near } = await guarded('me:secret');
    const env = { ...near, ...(await loggedIn(host, 'me:secret')) };
    await expect(pull(refOf(host, small), { env })).rejects.toMatchObject(arrived);
    expect(tokens.at(-1)).toContain(basic('me:secret'));
    await expect(pull(refOf(host, small), { env: near })).rejects.toMatchObject({
      code: 'IMAGE_PULL_DENIED',
      hint: expect.stringContaining(`skopeo login ${host}`),
    });
    const wrong = { ...near, ...(await loggedIn(host, 'me:wrong')) };
    await expect(pull(refOf(host, small), { env: wrong })).rejects.toMatchObject({
      code: 'IMAGE_PULL_DENIED',
    });
  });

  it('gets no credentials of another registry, and none over a token server without TLS elsewhere', async () => {
    const { host, tokens, near } = await guarded('me:secret');
    const env = { ...near, ...(await loggedIn('other.example', 'me:secret')) };
    await expect(pull(refOf(host, small), { env })).rejects.toMatchObject({ code: 'IMAGE_PULL_DENIED' });
    expect(tokens.join()).not.toContain('Basic');
    const away = await registry(small, (_, response) => {
      response.writeHead(401, { 'www-authenticate': 'Bearer realm="http://token.example/"' }).end();
      return true;
    });
    await expect(
      pull(refOf(away.host, small), { env: await loggedIn(away.host, 'a:b') }),
    ).rejects.toMatchObject({
      message: expect.stringContaining('asked by https only'),
    });
  });

  it.each<[string, string | undefined, RegExp]>([
    ['nothing that it says', undefined, /^IMAGE_PULL_FAILED/],
    ['a way that is not known', 'Digest realm="x"', /^IMAGE_PULL_DENIED.* in a way that is not known/],
    [
      'a password that nobody gave',
      'Basic realm="x"',
      /^IMAGE_PULL_DENIED.* wants a user name and a password/,
    ],
  ])('is not answered where it wants %s', async (_what, challenge, says) => {
    const { host } = await registry(small, (_, response) => {
      const headers = challenge === undefined ? {} : { 'www-authenticate': challenge };
      response.writeHead(401, headers).end();
      return true;
    });
    const error = await pull(refOf(host, small)).catch((found: { code: string; message: string }) => found);
    expect(`${'code' in error && error.code}: ${'message' in error && error.message}`).toMatch(says);
  });

  it.each<[string, number, string | number, RegExp]>([
    ['refuses its own token', 403, 'token', /^IMAGE_PULL_DENIED/],
    ['has no such image for it', 404, 'token', /^IMAGE_PULL_FAILED/],
    ['gives no token', 200, 'none', /^IMAGE_PULL_FAILED.*answers with no token/],
    ['has no place for tokens', 200, 404, /^IMAGE_PULL_FAILED/],
    ['refuses to give a token', 200, 403, /^IMAGE_PULL_DENIED/],
  ])('%s', async (_what, status, token, says) => {
    const server = await listen((_, response) => {
      if (typeof token === 'number') response.writeHead(token).end();
      else response.end(JSON.stringify({ [token]: 'abc' }));
    });
    const { host } = await registry(small, ({ headers }, response) => {
      const challenge = { 'www-authenticate': `Bearer realm="http://${server}/"` };
      if (headers.authorization === 'Bearer abc') response.writeHead(status).end();
      else response.writeHead(401, challenge).end();
      return true;
    });
    const env = { QUORATE_PRIVATE_HOSTS: server };
    const error = await pull(refOf(host, small), { env }).catch((found: Error & { code: string }) => found);
    expect(`${'code' in error && error.code}: ${'message' in error && error.message}`).toMatch(says);
  });

  it('is not asked where the file with credentials is damaged', async () => {
    const { host, asked } = await registry(small);
    const dir = await scratch();
    await writeFile(join(dir, 'auth.json'), '{');
    const env = { REGISTRY_AUTH_FILE: join(dir, 'auth.json') };
    await expect(pull(refOf(host, small), { env })).rejects.toMatchObject({ code: 'IMAGE_CREDENTIALS' });
    expect(asked).toEqual([]);
    expect(await readdir(dir)).toEqual(['auth.json']);
  });
});
