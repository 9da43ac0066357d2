import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { openAgent, type Reach } from '../../src/dependencies/fetch/agent.ts';
import { type FetchOptions, fetchDependencies } from '../../src/dependencies/fetch/fetch.ts';
import { fixFiles, fixUrl } from '../../src/dependencies/fetch/fix.ts';
import { fetchLimits } from '../../src/dependencies/fetch/limits.ts';
import { readNpmConfig } from '../../src/dependencies/fetch/npm-config.ts';
import { decodeFileList, Registries } from '../../src/dependencies/fetch/registries.ts';
import type { Entry } from '../../src/protocol/lock-formats/index.ts';
import { scratch } from '../e2e/support/processes.ts';
import { withLimits } from '../support/with-limits.ts';
import { zip } from './tools/zip.ts';

const bytes = Buffer.from('the bytes of a package, as its registry has them\n');
const sha = (algorithm: string, data: Buffer): string => createHash(algorithm).update(data).digest('hex');

/** Address without a server. */
const nowhere = 'http://127.0.0.1:9';

/** Any server, such as one of these tests. */
const anywhere: Reach = async ({ host }) => [host];

let dir: string;

beforeEach(async () => {
  dir = await scratch();
  await mkdir(join(dir, 'home'));
});

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
interface Registry {
  url: string;
  /** `GET /path`, with the range or the credentials that were asked with. */
  asked: string[];
}

async function registry(answer: Answer): Promise<Registry> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { range, authorization } = request.headers;
    asked.push([request.url, range, authorization].filter((part) => part !== undefined).join(' '));
    answer(request, response);
  });
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const entry = (url: string | undefined, more: Partial<Entry> = {}): Entry => ({
  ecosystem: 'npm',
  name: 'thing',
  version: '1.0.0',
  purl: 'pkg:npm/thing@1.0.0',
  file: 'thing-1.0.0.tgz',
  integrity: { algorithm: 'sha512', digests: [sha('sha512', bytes)] },
  origin: { kind: 'registry', ...(url !== undefined && { url }) },
  lock: 'package-lock.json',
  line: 7,
  ...more,
});

/** An entry that names its address, for which no package manager of this host is asked. */
const addressed = (url: string, more: Partial<Entry> = {}): Entry =>
  entry(url, { ecosystem: 'generic', origin: { kind: 'url', url }, ...more });

function fetching(entries: Entry[], options: Partial<FetchOptions> = {}) {
  const env = {
    PATH: process.env.PATH,
    HOME: join(dir, 'home'),
    NO_PROXY: '127.0.0.1',
    npm_config_registry: nowhere,
  };
  return fetchDependencies(entries, {
    cache: join(dir, 'cache'),
    env,
    allowPrivate: false,
    signal: AbortSignal.timeout(120_000),
    reach: anywhere,
    ...options,
  });
}

/** Of an entry that means the same bytes by another hash. */
const other: Partial<Entry> = {
  ecosystem: 'generic',
  purl: 'pkg:generic/other',
  integrity: { algorithm: 'sha256', digests: [sha('sha256', bytes)] },
};

/** An entry of Python, and an index of packages at a server. */
const python: Partial<Entry> = {
  ecosystem: 'pypi',
  purl: 'pkg:pypi/thing@1.0.0',
  origin: { kind: 'registry' },
  integrity: { algorithm: 'sha256', digests: [sha('sha256', bytes)] },
};

const partial = () => readdir(join(dir, 'cache', 'partial'));

describe('the files of a lock file', () => {
  it('are fetched once where two entries are of one file at one address', async () => {
    const parts = 20;
    const server = await registry(async (_, response) => {
      response.writeHead(200);
      for (let at = 0; at < parts; at++) {
        response.write(bytes.subarray((at * bytes.length) / parts, ((at + 1) * bytes.length) / parts));
        await new Promise((resolve) => setImmediate(resolve));
      }
      response.end();
    });
    const url = `${server.url}/thing/-/thing-1.0.0.tgz`;
    const env = { PATH: process.env.PATH, HOME: join(dir, 'home'), npm_config_registry: server.url };
    const entries = [entry(url), entry(undefined)];
    const found = await fetching(entries, { env: { ...env, NO_PROXY: '127.0.0.1' } });
    for (const one of entries) expect(await readFile(found.get(one)?.path ?? '')).toEqual(bytes);
    expect(server.asked).toEqual(['/thing/-/thing-1.0.0.tgz']);
  });

  it('are not waited for where a registry sends its list for ever', async () => {
    const server = await registry((_, response) => {
      const timer = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(timer));
    });
    withLimits(fetchLimits, { listMs: 300 });
    const agent = await openAgent({ reach: anywhere });
    onTestFinished(() => agent.destroy());
    const env = { PIP_INDEX_URL: server.url };
    const registries = new Registries({ env, agent, signal: AbortSignal.timeout(120_000) });
    await expect(registries.candidates(entry(undefined, python))).rejects.toThrow(/takes longer than 0.3 s/);
  });

  it('are of a list whose hashes are hashes, since they become lines of quorate.lock', () => {
    const list = (sha256: string) =>
      decodeFileList(JSON.stringify({ files: [{ filename: 'x', url: 'x', hashes: { sha256 } }] }), nowhere);
    const hex = sha('sha256', bytes);
    expect(list(hex)).toHaveLength(1);
    for (const text of [`${hex}\npkg:generic/x x sha256:${hex} https://x`, '\u001b[2J', hex.toUpperCase()])
      expect(list(text)).toEqual([]);
  });

  it('are fetched from where it says, once', async () => {
    const server = await registry((_, response) => void response.end(bytes));
    const one = entry(`${server.url}/thing.tgz`);
    const seen: number[] = [];
    const found = await fetching([one], { onProgress: (progress) => seen.push(progress.bytes) });
    const file = found.get(one);
    expect(file).toMatchObject({ size: bytes.length, sha256: sha('sha256', bytes) });
    expect(await readFile(file?.path ?? '')).toEqual(bytes);
    expect(seen.at(-1)).toBe(bytes.length);
    expect(await fetching([one])).toEqual(found);
    expect(server.asked).toEqual(['/thing.tgz']);
    expect(await partial()).toEqual([]);
  });

  it('come from the registry of npm’s configuration where the lock names none, and of its scope', async () => {
    const server = await registry((_, response) => void response.end(bytes));
    await writeFile(
      join(dir, 'home', '.npmrc'),
      `registry=${server.url}/main/\n@own:registry=\${OWN}\nlogs-max=0\n`,
    );
    const env = {
      PATH: process.env.PATH,
      HOME: join(dir, 'home'),
      OWN: `${server.url}/own`,
      npm_config_cache: join(dir, 'npm'),
    };
    const scoped = { name: '@own/thing', purl: 'pkg:npm/%40own/thing@1.0.0' };
    await fetching([entry(undefined)], { env });
    await rm(join(dir, 'cache'), { recursive: true });
    await fetching([entry(undefined, scoped)], { env });
    expect(server.asked).toEqual(['/main/thing/-/thing-1.0.0.tgz', '/own/@own/thing/-/thing-1.0.0.tgz']);
  });

  it('go on after an interruption where they were', async () => {
    withLimits(fetchLimits, { retryMs: 1 });
    let served = 0;
    const received = Promise.withResolvers<void>();
    const server = await registry((request, response) => {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const end = bytes.length - 1;
      const headers = { 'content-length': String(bytes.length - from) };
      if (from > 0)
        response.writeHead(206, { ...headers, 'content-range': `bytes ${from}-${end}/${bytes.length}` });
      else response.writeHead(200, headers);
      served++;
      if (served > 1) response.end(bytes.subarray(from));
      else {
        response.write(bytes.subarray(0, 10));
        void received.promise.then(() => response.destroy());
      }
    });
    const one = entry(`${server.url}/a`);
    const found = await fetching([one], { onProgress: () => received.resolve() });
    expect(found.get(one)?.size).toBe(bytes.length);
    expect(server.asked).toEqual(['/a', '/a bytes=10-']);
  });

  it('begin again where a server has no part of them', async () => {
    await mkdir(join(dir, 'cache', 'partial'), { recursive: true });
    const server = await registry((request, response) => {
      if (request.headers.range !== undefined) response.writeHead(416).end();
      else response.end(bytes);
    });
    const one = entry(`${server.url}/a`);
    const key = `${one.integrity.digests.join()} ${server.url}/a`;
    const left = join(dir, 'cache', 'partial', sha('sha256', Buffer.from(key)));
    await writeFile(left, `${bytes}and more`);
    expect((await fetching([one])).get(one)?.size).toBe(bytes.length);
    expect(server.asked).toEqual([`/a bytes=${bytes.length + 8}-`, '/a']);
  });

  it('are not asked for again where a server has no part of the whole', async () => {
    const server = await registry((_, response) => void response.writeHead(416).end());
    const asked = fetching([addressed(`${server.url}/a`)]);
    await expect(asked).rejects.toMatchObject({ code: 'DEPENDENCIES_FETCH_FAILED' });
    expect(server.asked).toEqual(['/a']);
  });

  it('are gone on with by the next command where this one was ended', async () => {
    const stop = new AbortController();
    const server = await registry((request, response) => {
      const { range } = request.headers;
      const headers = { 'content-range': `bytes 10-${bytes.length - 1}/${bytes.length}` };
      if (range !== undefined) response.writeHead(206, headers).end(bytes.subarray(10));
      else response.write(bytes.subarray(0, 10));
    });
    const one = addressed(`${server.url}/a`);
    const ended = fetching([one], { signal: stop.signal, onProgress: () => stop.abort() });
    await expect(ended).rejects.toThrow();
    expect((await fetching([one])).get(one)?.size).toBe(bytes.length);
    expect(server.asked).toEqual(['/a', '/a bytes=10-']);
  });

  it('are fetched 24 at a time', async () => {
    const waiting: ServerResponse[] = [];
    let most = 0;
    const server = await registry((_, response) => {
      most = Math.max(most, waiting.push(response));
      // More than these would have come by then.
      if (waiting.length === 24)
        setTimeout(() => {
          for (const one of waiting.splice(0)) one.end(bytes);
        }, 100);
      else if (waiting.length > 24 || most >= 24) for (const one of waiting.splice(0)) one.end(bytes);
    });
    const entries = Array.from({ length: 30 }, (_, n) => {
      const digests = [`${n}`.padStart(2, '0').repeat(64), sha('sha512', bytes)];
      return addressed(`${server.url}/${n}`, { integrity: { algorithm: 'sha512', digests } });
    });
    await fetching(entries);
    expect(most).toBe(24);
  });

  it('are hashed again each time: a damaged copy is fetched again', async () => {
    const server = await registry((_, response) => void response.end(bytes));
    const one = entry(`${server.url}/a`);
    const path = (await fetching([one])).get(one)?.path ?? '';
    await writeFile(path, 'others');
    await fetching([one]);
    expect(await readFile(path)).toEqual(bytes);
    expect(server.asked).toEqual(['/a', '/a']);
  });

  it('are removed from the cache once nobody has asked for them in two months', async () => {
    const server = await registry((_, response) => void response.end(bytes));
    const [one, two] = [entry(`${server.url}/a`), entry(`${server.url}/b`, other)];
    const path = (await fetching([one])).get(one)?.path ?? '';
    await utimes(path, 0, Date.now() / 1000 - 61 * 24 * 3600);
    await fetching([one]);
    expect(existsSync(path)).toBe(true);
    await utimes(path, 0, Date.now() / 1000 - 61 * 24 * 3600);
    await fetching([two]);
    expect(existsSync(path)).toBe(false);
  });

  it('come from the next address where one does not have them', async () => {
    const server = await registry((request, response) => {
      if (request.url === '/mirror') response.writeHead(404).end();
      else response.end(bytes);
    });
    await fetching([entry(`${server.url}/a`, { mirror: `${server.url}/mirror` })]);
    expect(server.asked).toEqual(['/mirror', '/a']);
  });
});

describe('a registry that', () => {
  it.each<[string, string, Answer, RegExp]>([
    [
      'has other bytes',
      'DEPENDENCIES_DAMAGED',
      (_, r) => void r.end('others'),
      /with sha512 \w{128}, not \w{128}/,
    ],
    [
      'does not have them',
      'DEPENDENCIES_FETCH_FAILED',
      (_, r) => void r.writeHead(404).end(),
      /answered 404/,
    ],
    [
      'redirects for ever',
      'DEPENDENCIES_FETCH_FAILED',
      (_, r) => void r.writeHead(302, { location: '/x' }).end(),
      /more than 5 times/,
    ],
    [
      'redirects to a file',
      'DEPENDENCIES_FETCH_FAILED',
      (_, r) => void r.writeHead(302, { location: 'file:///etc/passwd' }).end(),
      /redirects to "file:/,
    ],
    [
      'lies about its length',
      'DEPENDENCIES_FETCH_FAILED',
      (_, r) => {
        r.writeHead(200, { 'content-length': '9000' });
        r.write(bytes, () => r.destroy());
      },
      /ends after \d+ bytes/,
    ],
  ])('%s is refused with the place in the lock file', async (_, code, answer, says) => {
    withLimits(fetchLimits, { retryMs: 1 });
    const server = await registry(answer);
    // Its own address only: npm's configuration is of no use here.
    const one = entry(`${server.url}/a`, {
      ecosystem: 'generic',
      origin: { kind: 'url', url: `${server.url}/a` },
    });
    const error = await fetching([one]).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, message: expect.stringMatching(says) });
    expect((error as Error).message).toMatch(/^package-lock\.json:7: pkg:npm\/thing@1\.0\.0 /);
    if (code === 'DEPENDENCIES_DAMAGED') expect(await partial()).toEqual([]);
  });

  it('wants credentials is asked with them only where that is allowed, and no other host gets them', async () => {
    const other = await registry((_, response) => void response.end(bytes));
    const server = await registry((request, response) => {
      if (request.headers.authorization === undefined) response.writeHead(401).end();
      else response.writeHead(302, { location: `${other.url}/there` }).end();
    });
    const host = server.url.slice('http:'.length);
    await writeFile(join(dir, 'home', '.npmrc'), `${host}/:_authToken=secret\n`);
    const one = entry(`${server.url}/a`);
    const refused = fetching([one]);
    await expect(refused).rejects.toMatchObject({
      code: 'DEPENDENCIES_PRIVATE',
      hint: expect.stringContaining('--private'),
    });
    await fetching([one], { allowPrivate: true });
    // The kept part of it is private still.
    await expect(fetching([one])).rejects.toMatchObject({ code: 'DEPENDENCIES_PRIVATE' });
    await fetching([one], { allowPrivate: true });
    expect(server.asked).toEqual(['/a', '/a', '/a Bearer secret', '/a']);
    expect(other.asked).toEqual(['/there']);
  });

  it('gets no credentials in the clear because a lock file says http', async () => {
    const names = ['safe', 'plain'].map((name) => `//${name}.example.org/:_authToken=secret\n`);
    const lines = `${names.join('')}@scope:registry=http://plain.example.org/npm/\n`;
    await writeFile(join(dir, 'home', '.npmrc'), lines);
    const env = { PATH: process.env.PATH, HOME: join(dir, 'home') };
    const { authorization } = await readNpmConfig(env, AbortSignal.timeout(120_000));
    expect(authorization('https://safe.example.org/a')).toBe('Bearer secret');
    expect(authorization('http://safe.example.org/a')).toBeUndefined();
    expect(authorization('http://plain.example.org/a')).toBe('Bearer secret');
  });

  it('answers with no list is named without its password', async () => {
    const server = await registry((_, response) => response.end('no list'));
    const env = {
      PATH: process.env.PATH,
      NO_PROXY: '127.0.0.1',
      PIP_INDEX_URL: server.url.replace('//', '//me:secret@'),
    };
    const one = entry(undefined, { ...other, ecosystem: 'pypi', name: 'thing' });
    const error: unknown = await fetching([one], { env }).catch((error: unknown) => error);
    expect(error).toMatchObject({
      code: 'DEPENDENCIES_FETCH_FAILED',
      message: expect.stringContaining(`${server.url}/thing/ answered with no JSON`),
    });
    expect(String(error)).not.toContain('secret');
  });

  it('never answers is left when the person says so', async () => {
    const stop = new AbortController();
    const reason = new Error('enough');
    const server = await registry(() => stop.abort(reason));
    const one = entry(`${server.url}/a`);
    await expect(fetching([one], { signal: stop.signal })).rejects.toBe(reason);
  });
});

describe('the bounds of what is fetched', () => {
  it.each([
    [
      'one file',
      { fileBytesMax: bytes.length - 1 },
      /is larger than a dependency may be: .* at most \d+ are read/,
    ],
    ['one file without a length', { undeclaredBytesMax: bytes.length - 1 }, /at most \d+ are read/],
    ['all files', { totalBytesMax: 2 * bytes.length - 1 }, /all files together have more than \d+ bytes/],
  ])('are those of %s', async (_, limits, says) => {
    const server = await registry((_, response) => {
      response.write(bytes);
      response.end();
    });
    const entries = [entry(`${server.url}/a`), entry(`${server.url}/b`, other)];
    withLimits(fetchLimits, limits);
    await expect(fetching(entries)).rejects.toMatchObject({
      code: 'DEPENDENCIES_TOO_LARGE',
      message: expect.stringMatching(says),
    });
    await rm(join(dir, 'cache'), { recursive: true });
    const just = Object.fromEntries(Object.entries(limits).map(([name, max]) => [name, max + 1]));
    withLimits(fetchLimits, just);
    expect((await fetching(entries)).size).toBe(2);
  });

  it('are told where no address has it, and wrong bytes before these', async () => {
    const server = await registry((request, response) => {
      if (request.url === '/wrong') response.end('others');
      else response.end(Buffer.concat([bytes, bytes]));
    });
    withLimits(fetchLimits, { fileBytesMax: bytes.length });
    const code = (more: Partial<Entry>) =>
      fetching([addressed(`${server.url}/a`, more)]).catch((error: { code?: string }) => error.code);
    expect(await code({})).toBe('DEPENDENCIES_TOO_LARGE');
    expect(await code({ mirror: `${server.url}/wrong` })).toBe('DEPENDENCIES_DAMAGED');
  });

  it('leave the next address where one sends more than there may be', async () => {
    const server = await registry((request, response) => {
      if (request.url === '/mirror') response.end(Buffer.concat([bytes, bytes]));
      else response.end(bytes);
    });
    const one = entry(`${server.url}/a`, { mirror: `${server.url}/mirror` });
    withLimits(fetchLimits, { fileBytesMax: bytes.length });
    const found = await fetching([one]);
    expect(found.get(one)?.size).toBe(bytes.length);
    expect(server.asked).toEqual(['/mirror', '/a']);
  });
});

describe('an entry without an address', () => {
  it.each<[Partial<Entry>, string]>([
    [{ ecosystem: 'cargo', origin: { kind: 'registry' } }, 'config.toml'],
    [{ origin: { kind: 'git', url: 'https://git.example/x', commit: 'c0ffee' } }, 'quorate.lock'],
  ])('is refused, and the hint says where one is set', async (more, hint) => {
    await expect(fetching([entry(undefined, more)])).rejects.toMatchObject({
      code: 'DEPENDENCIES_CLIENT',
      hint: expect.stringContaining(hint),
    });
  });
});

describe('the address of', () => {
  it('a crate is that of its index', async () => {
    const server = await registry((request, response) => {
      if (request.url === '/index/config.json') response.end(JSON.stringify({ dl: `${server.url}/crates` }));
      else response.end(bytes);
    });
    await mkdir(join(dir, 'home', '.cargo'));
    await writeFile(
      join(dir, 'home', '.cargo', 'config.toml'),
      `[source.crates-io]\nreplace-with = "near"\n[source.near]\nregistry = "sparse+${server.url}/index/"\n`,
    );
    await fetching([entry(undefined, { ecosystem: 'cargo' })]);
    expect(server.asked).toEqual(['/index/config.json', '/crates/thing/1.0.0/download']);
  });

  it('a Python file is that with its hash', async () => {
    const integrity = { algorithm: 'sha256' as const, digests: [sha('sha256', bytes)] };
    const files = [
      { filename: 'thing-1.0.0.tar.gz', url: '../../other', hashes: { sha256: 'f'.repeat(64) } },
      {
        filename: 'thing-1.0.0-py3-none-any.whl',
        url: '../../wheel',
        hashes: { sha256: integrity.digests[0] },
      },
    ];
    const server = await registry((request, response) => {
      if (request.url === '/simple/thing/') response.end(JSON.stringify({ files }));
      else response.end(bytes);
    });
    const env = { PATH: process.env.PATH, HOME: join(dir, 'home'), PIP_INDEX_URL: `${server.url}/simple` };
    await fetching([entry(undefined, { ecosystem: 'pypi', integrity })], { env });
    expect(server.asked).toEqual(['/simple/thing/', '/wheel']);
  });

  it('a module of Go is that of its proxy, and its files count', async () => {
    const name = 'example.org/Mod@v1.0.0';
    const packed = zip({ [`${name}/go.mod`]: 'module example.org/Mod\n', [`${name}/a.go`]: 'package a\n' });
    const lines = ['a.go', 'go.mod'].map(
      (file) =>
        `${sha('sha256', Buffer.from(file === 'a.go' ? 'package a\n' : 'module example.org/Mod\n'))}  ${name}/${file}\n`,
    );
    const integrity = {
      algorithm: 'dirhash' as const,
      digests: [sha('sha256', Buffer.from(lines.join('')))],
    };
    const module = {
      ecosystem: 'go' as const,
      name: 'example.org/Mod',
      version: 'v1.0.0',
      file: 'v1.0.0.zip',
    };
    let served = packed;
    const server = await registry((_, response) => void response.end(served));
    const env = { PATH: process.env.PATH, HOME: join(dir, 'home'), GOPROXY: `${server.url}/proxy,direct` };
    const one = entry(undefined, { ...module, integrity });
    expect((await fetching([one], { env })).get(one)?.size).toBe(packed.length);
    expect((await fetching([one], { env })).get(one)?.size).toBe(packed.length);
    expect(server.asked).toEqual(['/proxy/example.org/!mod/@v/v1.0.0.zip']);
    expect(await partial()).toEqual([]);
    // The same files as another packed them: what is kept is as the hash determines it.
    const path = (await fetching([one], { env })).get(one)?.path ?? '';
    const remade = await readFile(path);
    await writeFile(path, packed);
    await fetching([one], { env });
    expect(await readFile(path)).toEqual(remade);
    expect(server.asked).toHaveLength(2);
    await rm(join(dir, 'cache'), { recursive: true });
    for (served of [zip({ [`${name}/a.go`]: 'package b\n' }), packed.subarray(0, 60)])
      await expect(fetching([one], { env })).rejects.toMatchObject({ code: 'DEPENDENCIES_DAMAGED' });
  });
});

describe('a file that is to be fixed', () => {
  const options = (signal = AbortSignal.timeout(120_000)) => ({
    cache: join(dir, 'cache'),
    env: { PATH: process.env.PATH, NO_PROXY: '127.0.0.1' },
    signal,
    reach: anywhere,
  });
  const found = (url: string, more: Partial<Entry> = {}) =>
    ({ ...addressed(url), integrity: undefined, ...more }) as unknown as Parameters<
      typeof fixFiles
    >[0][number];

  it('is hashed as it is sent, and told with its progress', async () => {
    const server = await registry((_, response) => void response.end(bytes));
    const seen: object[] = [];
    const fixed = await fixFiles([found(`${server.url}/a`)], {
      ...options(),
      onProgress: (progress) => void seen.push(progress),
    });
    expect(fixed).toMatchObject([{ files: [{ sha256: sha('sha256', bytes) }], why: 'it has no hash' }]);
    expect(seen.at(-1)).toEqual({ files: 1, filesTotal: 1, bytes: bytes.length });
    expect(await fixUrl(`${server.url}/b`, 'b', options())).toEqual({
      purl: 'pkg:generic/b',
      file: 'b',
      sha256: sha('sha256', bytes),
      url: `${server.url}/b`,
    });
    expect(await partial()).toEqual([]);
  });

  it('has the sha1 of its lock file, or is damaged', async () => {
    const server = await registry((_, response) => void response.end(bytes));
    const locked = (data: Buffer) =>
      ({
        locked: `sha1-${createHash('sha1').update(data).digest('base64')}`,
        lacks: 'a sha1 is no hash',
      }) as object;
    const [fixed] = await fixFiles([found(`${server.url}/a`, locked(bytes))], options());
    expect(fixed).toMatchObject({ files: [{ sha256: sha('sha256', bytes) }], why: 'a sha1 is no hash' });
    const other = fixFiles([found(`${server.url}/b`, locked(Buffer.from('other')))], options());
    await expect(other).rejects.toMatchObject({
      code: 'DEPENDENCIES_DAMAGED',
      message: expect.stringContaining('another sha1'),
    });
  });

  it('of a package of Python is one that its index lists; without one it is an error with its place', async () => {
    const listed = (filename: string) => ({
      filename,
      url: filename,
      hashes: { sha256: sha('sha256', bytes) },
    });
    let answer = JSON.stringify({
      files: ['p-1.0-py3-none-any.whl', 'p-1.0.tar.gz', 'p-2.0.tar.gz'].map(listed),
    });
    const server = await registry((_, response) => void response.end(answer));
    const one = {
      ...found('http://x.example/p'),
      name: 'p',
      version: '1.0',
      purl: 'pkg:pypi/p@1.0',
      file: undefined,
    };
    const fix = (env: NodeJS.ProcessEnv) =>
      fixFiles([one as unknown as ReturnType<typeof found>], {
        ...options(),
        env: { NO_PROXY: '127.0.0.1', ...env },
      });
    const index = { PIP_INDEX_URL: `${server.url}/simple/` };
    expect(await fix(index)).toMatchObject([
      {
        files: [{ purl: 'pkg:pypi/p@1.0', file: 'p-1.0-py3-none-any.whl', sha256: sha('sha256', bytes) }],
        why: 'a wheel for any platform',
      },
    ]);
    expect(server.asked).toEqual(['/simple/p/']);
    const failed = (what: string) =>
      expect.objectContaining({ code: 'DEPENDENCIES_FETCH_FAILED', message: expect.stringContaining(what) });
    answer = JSON.stringify({ files: [listed('p-2.0.tar.gz')] });
    await expect(fix(index)).rejects.toEqual(failed('of 1 files that the index lists, none is allowed'));
    answer = 'no list';
    await expect(fix(index)).rejects.toEqual(failed('answered with no JSON'));
    // Neither pip nor Python is found there.
    await expect(fix({ PATH: dir })).rejects.toEqual(failed('no index of Python packages is configured'));
  });

  it('that is not there, or cannot be kept, is an error with its place; one that the caller ends has that reason', async () => {
    const server = await registry((_, response) => void response.writeHead(404).end());
    const failed = { code: 'DEPENDENCIES_FETCH_FAILED', message: expect.stringContaining('/a answered 404') };
    await expect(fixUrl(`${server.url}/a`, 'a', options())).rejects.toMatchObject(failed);
    await expect(fixFiles([found(`${server.url}/a`)], options())).rejects.toMatchObject(failed);
    expect(server.asked).toEqual(['/a', '/a']);
    const reason = new Error('enough');
    const stop = new AbortController();
    const ending = await registry((_, response) => {
      stop.abort(reason);
      response.destroy();
    });
    await expect(fixFiles([found(`${ending.url}/a`)], options(stop.signal))).rejects.toBe(reason);
    await expect(fixUrl(`${ending.url}/a`, 'a', options(stop.signal))).rejects.toBe(reason);
    await rm(join(dir, 'cache'), { recursive: true, force: true });
    await writeFile(join(dir, 'cache'), '');
    const sending = await registry((_, response) => void response.end(bytes));
    const cannot = { code: 'DEPENDENCIES_CACHE' };
    await expect(fixUrl(`${sending.url}/a`, 'a', options())).rejects.toMatchObject(cannot);
    await expect(fixFiles([found(`${sending.url}/a`)], options())).rejects.toMatchObject(cannot);
  });
});
