import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openEgressProxy } from '../../../src/egress/index.ts';
import { confined, hostOf } from '../../source/confined.ts';
import { codeOf, commitAll, folder, git, listen, serve, serveHttp } from '../../source/support.ts';

import { bystander, inPlaceOfGit, nextWorks, project, run, some } from './support.ts';

describe('a worker’s git', () => {
  it.each([
    ['git', serve],
    ['http', serveHttp],
  ] as const)('fetches by %s, through the proxy only', async (_, start) => {
    const { dir, commit } = await project();
    const url = await start(dir);
    const box = await confined(url, [hostOf(url)]);
    expect(await box.fetch(commit)).toContain('what was committed');
    expect(box.egress.counts).toMatchObject({ refused: 0 });
    expect(box.egress.counts.received).toBeGreaterThan(100);

    const shut = await confined(url, [hostOf(url)]);
    await shut.egress.close();
    expect(await codeOf(shut.fetch(commit))).toMatch(/^SOURCE_/);
    expect(shut.egress.counts.received).toBe(0);
  });

  it('fetches by https, whose certificate it checks itself', async () => {
    const { dir, commit } = await project();
    const { url, certificate } = await serveHttps(dir);
    const stranger = await confined(url, [hostOf(url)]);
    await expect(stranger.fetch(commit)).rejects.toThrow(/certificate/);

    const box = await confined(url, [hostOf(url)]);
    const known = join(box.dir, 'ca.pem');
    await writeFile(known, certificate);
    expect(await box.fetch(commit, { env: { GIT_SSL_CAINFO: known } })).toContain('what was committed');
  });

  it('never runs by ssh, with keys that are its operator’s', async () => {
    expect(await codeOf(confined('ssh://git@127.0.0.1/x', ['127.0.0.1']))).toBe('SOURCE_PROTOCOL_REFUSED');
    expect(await codeOf(confined('git@127.0.0.1:x', []))).toBe('SOURCE_PROTOCOL_REFUSED');
  });
});

describe('a server that sends git elsewhere', () => {
  it('by a redirect: a git that follows arrives, ours does not, and could not', async () => {
    const { port, knocks } = await bystander();
    const first = createServer((request, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${port}${request.url}` }).end(),
    ).listen(0, '127.0.0.1');
    await once(first, 'listening');
    onTestFinished(() => {
      first.close();
    });
    const url = `http://127.0.0.1:${(first.address() as AddressInfo).port}/x`;
    const follow = `git -c http.followRedirects=true ls-remote ${url}`;
    await run('sh', ['-c', follow]).catch(() => {});
    expect(knocks()).toBeGreaterThan(0);
    const before = knocks();

    const box = await confined(url, [hostOf(url)]);
    expect(await codeOf(box.fetch(some))).toMatch(/^SOURCE_/);
    // Even when the setting of git is lost.
    expect((await inPlaceOfGit(box, follow)).code).not.toBe(0);
    expect(knocks()).toBe(before);
    expect(box.said.join()).toContain('EGRESS_NOT_ALLOWED');
  });

  it('by a submodule: a git that recurses arrives, ours does not, and could not', async () => {
    const { port, knocks } = await bystander();
    const { dir } = await project();
    const other = `git://127.0.0.1:${port}/x`;
    await writeFile(join(dir, '.gitmodules'), `[submodule "s"]\n\tpath = s\n\turl = ${other}\n`);
    git(dir, 'update-index', '--add', '--cacheinfo', `160000,${some},s`);
    await mkdir(join(dir, 's'));
    const commit = commitAll(dir);
    const url = await serve(dir);
    const clone = `git clone -q --recurse-submodules ${url} c`;
    await run('sh', ['-c', clone], { cwd: await folder() }).catch(() => {});
    expect(knocks()).toBeGreaterThan(0);
    const before = knocks();

    const box = await confined(url, [hostOf(url)]);
    expect(await box.fetch(commit)).toContain('.gitmodules');
    await inPlaceOfGit(box, clone, { HOME: box.dir });
    expect(knocks()).toBe(before);
    expect(box.said.join()).toContain(`127.0.0.1:${port} was refused`);
  });

  it('by a bundle: a git that takes one arrives, ours does not, and could not', async () => {
    const { port, knocks } = await bystander();
    const { dir, commit } = await project();
    for (const [name, value] of [
      ['uploadpack.advertiseBundleURIs', 'true'],
      ['bundle.version', '1'],
      ['bundle.mode', 'any'],
      ['bundle.one.uri', `http://127.0.0.1:${port}/x.bundle`],
    ] as const) {
      git(dir, 'config', name, value);
    }
    const url = await serve(dir);
    const clone = `git -c transfer.bundleURI=true clone -q ${url} c`;
    await run('sh', ['-c', clone], { cwd: await folder() }).catch(() => {});
    expect(knocks()).toBeGreaterThan(0);
    const before = knocks();

    const box = await confined(url, [hostOf(url)]);
    expect(await box.fetch(commit)).toContain('what was committed');
    await inPlaceOfGit(box, `http_proxy=http://127.0.0.1:3128 ${clone}`, { HOME: box.dir });
    expect(knocks()).toBe(before);
  });

  it('by alternates over http: ours never asks them', async () => {
    const { port, knocks } = await bystander();
    const { dir, commit } = await project();
    // The old protocol of plain files, in which a server names others that hold its objects.
    git(dir, 'update-server-info');
    const loose = join('objects', commit.slice(0, 2), commit.slice(2));
    const files = createServer(async (request, response) => {
      const path = (request.url ?? '').split('?')[0] ?? '';
      if (path.endsWith('http-alternates')) return response.end(`http://127.0.0.1:${port}/objects\n`);
      const bytes = path.endsWith(loose) ? undefined : await readFile(join(dir, path)).catch(() => {});
      response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
    }).listen(0, '127.0.0.1');
    await once(files, 'listening');
    onTestFinished(() => {
      files.close();
    });
    const url = `http://127.0.0.1:${(files.address() as AddressInfo).port}/.git`;
    const clone = `git -c http.followRedirects=true clone -q ${url} c`;
    await run('sh', ['-c', clone], { cwd: await folder() }).catch(() => {});
    expect(knocks()).toBeGreaterThan(0);
    const before = knocks();

    const box = await confined(url, [hostOf(url)]);
    expect(await codeOf(box.fetch(commit))).toMatch(/^(SOURCE|EGRESS)_/);
    await inPlaceOfGit(box, clone, { HOME: box.dir });
    expect(knocks()).toBe(before);
  });
});

describe('a project that has volunteers knock at machines in their own network', () => {
  it.each(['127.0.0.1', '169.254.169.254', '10.0.0.1', '192.168.1.1', '::1', 'fd00::1', '::ffff:127.0.0.1'])(
    'by a name that is %s is refused, until the charter names that very address',
    async (address) => {
      const reached: string[] = [];
      const port = await listen((socket) => socket.end());
      const dir = await folder();
      const ask = async (privateTargets: { host: string; port: number }[]): Promise<string[]> => {
        const egress = await openEgressProxy({
          dir,
          targets: [{ host: 'git.example', port: 9418 }],
          privateTargets,
          receivedBytesMax: 1000,
          resolve: async () => [{ address }],
          // No connection leaves this host: the address is noted, and a local port stands in for it.
          connect: (to) => {
            reached.push(to);
            return connect({ host: '127.0.0.1', port });
          },
        });
        const client = connect(egress.socket);
        client.end('CONNECT git.example:9418 HTTP/1.1\r\n\r\n').resume();
        await once(client, 'close');
        await egress.close();
        return egress.refusals.map(({ code }) => code);
      };
      expect(await ask([])).toEqual(['EGRESS_ADDRESS_REFUSED']);
      expect(await ask([{ host: address, port: 80 }])).toEqual(['EGRESS_ADDRESS_REFUSED']);
      expect(reached).toEqual([]);
      expect(await ask([{ host: address, port: 9418 }])).toEqual([]);
      expect(reached).toHaveLength(1);
    },
  );

  it('is told so in the log, and nothing of theirs is reached', async () => {
    const { port, knocks } = await bystander();
    const url = `git://git.example:${port}/x`;
    const resolve = async () => [{ address: '127.0.0.1' }];
    for (const vcs of [[], [`git.example:${port}`], ['127.0.0.1'], ['127.0.0.1:1']]) {
      const box = await confined(url, vcs, { resolve });
      expect(await codeOf(box.fetch(some))).toBe('EGRESS_ADDRESS_REFUSED');
      expect(box.said).toEqual([
        'EGRESS_ADDRESS_REFUSED: git.example resolves to 127.0.0.1: no public address',
      ]);
    }
    expect(knocks()).toBe(0);
    const box = await confined(url, [`git.example:${port}`, `127.0.0.1:${port}`], { resolve });
    await codeOf(box.fetch(some));
    expect(knocks()).toBeGreaterThan(0);
  });

  it('by an address in the URL, where the charter allows any server, is refused as well', async () => {
    const { port, knocks } = await bystander();
    for (const host of [
      '127.0.0.1',
      'localhost',
      '[::1]',
      '[::ffff:127.0.0.1]',
      '0x7f000001',
      '2130706433',
      '127.1',
    ]) {
      for (const protocol of ['git', 'http']) {
        const box = await confined(`${protocol}://${host}:${port}/x`, []);
        expect(await codeOf(box.fetch(some))).toMatch(/^(EGRESS_ADDRESS_REFUSED|SOURCE_UNREACHABLE)$/);
      }
    }
    expect(knocks()).toBe(0);
    const box = await confined(`git://localhost:${port}/x`, [`localhost:${port}`]);
    await codeOf(box.fetch(some));
    expect(knocks()).toBeGreaterThan(0);
  });

  it('by a name that changes between the look and the connection (DNS rebinding) gets nowhere', async () => {
    const home = await bystander();
    const open = await listen((socket) => socket.end('the open internet'));
    const answers = ['93.184.215.14', '127.0.0.1', '127.0.0.1'];
    const asked: string[] = [];
    const rebinding = async () => {
      const address = answers[asked.length] ?? '127.0.0.1';
      asked.push(address);
      return [{ address }];
    };
    // A proxy that checks a name and then connects to the name.
    const [checked] = await rebinding();
    const [used] = await rebinding();
    expect(checked?.address).toBe('93.184.215.14');
    await once(connect({ host: used?.address ?? '', port: home.port }).resume(), 'close');
    await expect.poll(home.knocks).toBe(1);

    asked.length = 0;
    const reached: string[] = [];
    const egress = await openEgressProxy({
      dir: await folder(),
      targets: [{ host: 'git.example', port: home.port }],
      privateTargets: [],
      receivedBytesMax: 1000,
      resolve: rebinding,
      connect: (to, port) => {
        reached.push(to);
        return connect({ host: '127.0.0.1', port: to === '93.184.215.14' ? open : port });
      },
    });
    onTestFinished(() => egress.close());
    for (const _ of [1, 2]) {
      const client = connect(egress.socket);
      client.write(`CONNECT git.example:${home.port} HTTP/1.1\r\n\r\n`);
      client.resume();
      await once(client, 'close');
    }
    expect(reached).toEqual(['93.184.215.14']);
    expect(egress.refusals.map(({ code }) => code)).toEqual(['EGRESS_ADDRESS_REFUSED']);
    expect(home.knocks()).toBe(1);
  });
});

/** Git's own server program behind https, with a certificate nobody else knows. */
async function serveHttps(dir: string): Promise<{ url: string; certificate: string }> {
  const { createServer: createTls } = await import('node:https');
  const { request } = await import('node:http');
  const at = await folder();
  await mkdir(join(at, 'k'));
  const [key, cert] = [join(at, 'k', 'key.pem'), join(at, 'k', 'cert.pem')];
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
    ...['-keyout', key, '-out', cert, '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'],
  ]);
  const behind = new URL(await serveHttp(dir));
  const certificate = await readFile(cert, 'utf8');
  const server = createTls({ key: await readFile(key), cert: certificate }, (incoming, response) => {
    const { method, headers, url } = incoming;
    const onward = request({ host: '127.0.0.1', port: behind.port, method, headers, path: url }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(onward);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/.git`, certificate };
}

it('after whatever was tried the next checkout on this machine works', nextWorks);
