import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openAgent, type Reach } from '../../../src/dependencies/fetch/agent.ts';
import { fetchDependencies } from '../../../src/dependencies/fetch/fetch.ts';
import { getBytes } from '../../../src/dependencies/fetch/get.ts';
import { pullImage } from '../../../src/execution/images/pull/pull.ts';
import { reachFrom } from '../../../src/node/reach.ts';
import type { Entry } from '../../../src/protocol/lock-formats/index.ts';
import { scratch } from '../../e2e/support/processes.ts';

/** The control: an agent without the guard. */
const anywhere: Reach = async ({ host }) => [host === 'localhost' ? '127.0.0.1' : host];

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    answer(request, response);
  });
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

/** A service of this host that nobody named: whatever is asked of it is an attack that arrived. */
const bystander = () => serve((_, response) => void response.end('{}'));

const bytes = Buffer.from('x');
const sha256 = createHash('sha256').update(bytes).digest('hex');
const entry = (more: Partial<Entry>): Entry => ({
  ecosystem: 'generic',
  name: 'thing',
  version: '1.0.0',
  purl: 'pkg:generic/thing',
  file: 'thing',
  integrity: { algorithm: 'sha256', digests: [sha256] },
  lock: 'quorate.lock',
  line: 1,
  origin: { kind: 'registry' },
  ...more,
});

/** How a server leads to another one: of a registry that this host's configuration names, and the entry that is fetched from there. */
const ways: [string, (victim: string) => Promise<{ one: Entry; env: NodeJS.ProcessEnv }>][] = [
  [
    'an address in a lock file',
    async (victim) => ({
      one: entry({ origin: { kind: 'url', url: `http://${victim}/x` } }),
      env: {},
    }),
  ],
  [
    'the name localhost in a lock file',
    async (victim) => ({
      one: entry({ origin: { kind: 'url', url: `http://${victim.replace('127.0.0.1', 'localhost')}/x` } }),
      env: {},
    }),
  ],
  [
    'a redirect of a module proxy',
    async (victim) => {
      const { host } = await serve((_, response) =>
        response.writeHead(302, { location: `http://${victim}/x` }).end(),
      );
      return { one: entry({ ecosystem: 'go' }), env: { GOPROXY: `http://${host}` } };
    },
  ],
  [
    'a redirect of an index of Python packages',
    async (victim) => {
      const { host } = await serve((_, response) =>
        response.writeHead(307, { location: `http://${victim}/x` }).end(),
      );
      return { one: entry({ ecosystem: 'pypi' }), env: { PIP_INDEX_URL: `http://${host}/` } };
    },
  ],
  [
    'an address in the list of a Python index',
    async (victim) => {
      const files = [{ filename: 'thing', url: `http://${victim}/x`, hashes: { sha256 } }];
      const { host } = await serve((_, response) => response.end(JSON.stringify({ files })));
      return { one: entry({ ecosystem: 'pypi' }), env: { PIP_INDEX_URL: `http://${host}/` } };
    },
  ],
  [
    'the configuration of an index of crates',
    async (victim) => {
      const { host } = await serve((_, response) => response.end(JSON.stringify({ dl: `http://${victim}` })));
      const home = await scratch();
      await mkdir(join(home, '.cargo'));
      const text = `[source.crates-io]\nreplace-with = "near"\n[source.near]\nregistry = "sparse+http://${host}/"\n`;
      await writeFile(join(home, '.cargo', 'config.toml'), text);
      return { one: entry({ ecosystem: 'cargo' }), env: { HOME: home } };
    },
  ],
  [
    'an index of crates in a lock file',
    async (victim) => ({
      one: entry({ ecosystem: 'cargo', origin: { kind: 'registry', registry: `sparse+http://${victim}/` } }),
      env: { HOME: await scratch() },
    }),
  ],
];

async function arrivals(one: Entry, env: NodeJS.ProcessEnv, victim: { asked: string[] }, reach: Reach) {
  const before = victim.asked.length;
  const { signal } = new AbortController();
  const cache = await scratch();
  const error = await fetchDependencies([one], { cache, env, allowPrivate: false, reach, signal }).catch(
    (thrown: Error) => thrown,
  );
  return { count: victim.asked.length - before, says: String(error) };
}

describe('a server at a private address that nobody here named', () => {
  it.each(ways)('is not asked because of %s', async (_, way) => {
    vi.stubEnv('NO_PROXY', '*');
    onTestFinished(() => void vi.unstubAllEnvs());
    const victim = await bystander();
    const { one, env } = await way(victim.host);
    expect((await arrivals(one, env, victim, anywhere)).count).toBeGreaterThan(0);
    const { count, says } = await arrivals(one, env, victim, reachFrom(env));
    expect(count).toBe(0);
    expect(says).toMatch(/DEPENDENCIES_FETCH_FAILED|is not asked: .*no public address/);
    const named = victim.host.replace('127.0.0.1', /localhost/.test(says) ? 'localhost' : '127.0.0.1');
    const allowed = { ...env, QUORATE_PRIVATE_HOSTS: `other.example:1,${named}` };
    expect((await arrivals(one, env, victim, reachFrom(allowed))).count).toBeGreaterThan(0);
  });

  it('is not asked through a proxy either, where its address is written', async () => {
    const proxy = await bystander();
    for (const name of ['NO_PROXY', 'no_proxy']) vi.stubEnv(name, '');
    vi.stubEnv('http_proxy', `http://${proxy.host}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const one = entry({ origin: { kind: 'url', url: 'http://10.1.2.3/x' } });
    expect((await arrivals(one, {}, proxy, anywhere)).count).toBeGreaterThan(0);
    expect((await arrivals(one, {}, proxy, reachFrom({}))).count).toBe(0);
  });

  it.each([
    ['::1', "'[::1]:80'"],
    ['127.0.0.1', '127.0.0.1:80'],
  ])('an error names the setting that would allow %s as a shell takes it', async (host, word) => {
    await expect(reachFrom({})({ host, port: 80 }, false)).rejects.toThrow(
      `(QUORATE_PRIVATE_HOSTS=${word} would)`,
    );
  });

  it('is not reached by a name that changes: connected to is the address that was looked at', async () => {
    const victim = await bystander();
    const looked: string[] = [];
    const agent = await openAgent({
      isDirect: true,
      reach: async ({ host, port }, isNamed) => {
        looked.push(`${host} ${port} ${isNamed}`);
        return ['127.0.0.1'];
      },
    });
    onTestFinished(() => agent.destroy());
    const [, port] = victim.host.split(':');
    const url = `http://registry.invalid:${port}/x`;
    await getBytes({ url }, { agent, signal: AbortSignal.timeout(60_000), bytesMax: 100 });
    expect(victim.asked).toEqual(['/x']);
    expect(looked).toEqual([`registry.invalid ${port} false`]);
  });

  const means = [['a redirect'], ['its token server']] as const;
  it.each(means)('is not asked because of %s of a registry of images', async (by) => {
    const victim = await bystander();
    const { host } = await serve((_, response) => {
      if (by === 'a redirect') response.writeHead(307, { location: `http://${victim.host}/x` }).end();
      else response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${victim.host}/x"` }).end();
    });
    const pull = async (env: NodeJS.ProcessEnv) => {
      const dir = await scratch();
      const { signal } = new AbortController();
      const reference = `${host}/tools/gcc@sha256:${sha256}`;
      const more = { dir, cache: dir, arch: 'x86_64' as const, plainHttp: false, signal };
      return pullImage({ ...more, reference, env }).catch((error: Error) => String(error));
    };
    expect(await pull({})).toContain('no public address');
    expect(victim.asked).toEqual([]);
    await pull({ QUORATE_PRIVATE_HOSTS: victim.host });
    expect(victim.asked.length).toBeGreaterThan(0);
  });
});
