import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type NetworkOptions, openBuildNetwork, rulesOf } from '../../src/execution/network.ts';
import { connectTo, say } from '../egress/support.ts';
import { listen } from '../source/support.ts';
import { makeJob } from '../support/documents.ts';

type Rules = Parameters<typeof rulesOf>[0];

const rules = (over: Partial<Omit<Rules, 'job'>> & { network?: NetworkOptions['job']['network'] }) => {
  const { network, ...rest } = over;
  const all: Omit<Rules, 'job'> = {
    charter: { vcs: [], bootstrap: [] },
    source: 'https://git.example/a',
    store: [],
    privateHosts: 'named',
    ...rest,
  };
  const { targets, privateTargets } = rulesOf({ ...all, job: makeJob({ network }) });
  const told = (list: typeof targets) => list.map(({ host, port }) => `${host} ${port}`);
  return { targets: told(targets), privateTargets: told(privateTargets) };
};

it('a network that cannot be opened leaves nothing', async () => {
  const top = await mkdtemp(join(tmpdir(), 'quorate-test-'));
  onTestFinished(() => rm(top, { recursive: true, force: true }));
  // No socket has so long a path.
  const dir = join(top, 'x'.repeat(150));
  await mkdir(dir);
  const options = { charter: { vcs: [], bootstrap: [] }, source: undefined, store: [], dir, say: () => {} };
  const job = makeJob({ network: ['vcs'] });
  await expect(openBuildNetwork({ ...options, job, privateHosts: [] })).rejects.toMatchObject({
    code: 'EGRESS_UNAVAILABLE',
  });
  expect(await readdir(dir)).toEqual([]);
});

describe('the destinations of a build', () => {
  const charter = {
    vcs: ['git.example', 'other.example:8443', '10.0.0.7', '[fd00::7]:3000', 'localhost:3000'],
    bootstrap: [
      '/ip4/10.0.0.9/tcp/4710/p2p/x',
      '/ip6/fd00::9/tcp/4710/p2p/x',
      '/dns4/home.example/tcp/1/p2p/x',
    ],
  };
  const store = [
    'http://10.0.0.9:8080',
    'http://[fd00::9]:8080',
    'http://home.example',
    'http://192.168.1.1:80',
  ];

  it('by vcs are those that the charter lists, at the ports of HTTP or the one it names', () => {
    expect(rules({ network: ['vcs'], charter, store }).targets).toEqual([
      ...['git.example 443', 'git.example 80', 'other.example 8443', '10.0.0.7 443', '10.0.0.7 80'],
      ...['fd00::7 3000', 'localhost 3000'],
    ]);
  });

  it('by vcs are the server of the source where the charter lists none, as for git', () => {
    expect(rules({ network: ['vcs'] }).targets).toEqual(['git.example 443']);
    expect(rules({ network: ['vcs'], source: 'git://git.example/a' }).targets).toEqual([]);
    expect(rules({ network: ['vcs'], source: undefined }).targets).toEqual([]);
  });

  it('by vcs are none where an entry is not an address', () => {
    const odd = { vcs: ['', '[]:80', 'a:0', 'a:65536', '[::1', 'a:b'], bootstrap: [] };
    expect(rules({ network: ['vcs'], charter: odd }).targets).toEqual([]);
    const ends = { vcs: ['a:1', 'a:65535'], bootstrap: [] };
    expect(rules({ network: ['vcs'], charter: ends }).targets).toEqual(['a 1', 'a 65535']);
  });

  it('by store are the addresses at which the controller says that it serves artifacts', () => {
    expect(rules({ network: ['store'], charter, store }).targets).toEqual([
      ...['10.0.0.9 8080', 'fd00::9 8080', 'home.example 80', '192.168.1.1 80'],
    ]);
    expect(
      rules({ network: ['store'], store: ['ftp://a', 'file:///etc', 'http://a:0', 'x', ''] }).targets,
    ).toEqual([]);
  });

  it('may be at a private address only where the root named that address: a controller’s word is not enough', () => {
    expect(rules({ network: ['store'], charter, store }).privateTargets).toEqual([
      ...['10.0.0.7 443', '10.0.0.7 80', 'fd00::7 3000', 'localhost 3000'],
      ...['10.0.0.9 8080', 'fd00::9 8080'],
    ]);
  });

  it('on a volunteer’s machine may be at a private address only where its owner allowed that one too', () => {
    const network: NetworkOptions['job']['network'] = ['store', 'vcs'];
    expect(rules({ network, charter, store, privateHosts: [] }).privateTargets).toEqual([]);
    const privateHosts = ['10.0.0.7:443', '[fd00::9]:8080', '10.0.0.8:443'];
    expect(rules({ network, charter, store, privateHosts }).privateTargets).toEqual([
      '10.0.0.7 443',
      'fd00::9 8080',
    ]);
  });
});

describe('the network of one build', () => {
  const folder = async (): Promise<string> => {
    const dir = await mkdtemp(join(tmpdir(), 'quorate-net-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    return dir;
  };

  it('is told in its log: what is open, what was refused, what it came to', async () => {
    const port = await listen((socket) => socket.end('hello'));
    const dir = await folder();
    const said: string[] = [];
    const network = await openBuildNetwork({
      job: makeJob({ network: ['vcs'] }),
      source: undefined,
      store: [],
      dir,
      privateHosts: [`127.0.0.1:${port}`],
      say: (text) => said.push(text),
      charter: { vcs: [`127.0.0.1:${port}`], bootstrap: [] },
    });
    if (network === undefined) throw new Error('there is none');
    expect(await say(network, connectTo(`127.0.0.1:${port}`))).toContain('hello');
    await say(network, connectTo('evil.example:443'));
    await say(network, 'GET http://\u001b[2Jevil.example/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    await network.close();
    expect(said).toEqual([
      `network: vcs: 127.0.0.1:${port}`,
      'network: EGRESS_NOT_ALLOWED: a connection to evil.example:443 was refused',
      'network: hint: The owner lists a server with quorate charter set --vcs; a job then names it with network: [vcs].',
      expect.stringMatching(/^network: EGRESS_NOT_ALLOWED: [\x20-\x7e]+$/),
      'network: 3 connections, 2 refused; 5 bytes in, 0 out',
    ]);
    expect(await readdir(dir)).toEqual([]);
  });

  it('is none for a job that asks for none, and says when nothing is known for what it asks', async () => {
    const dir = await folder();
    const said: string[] = [];
    const charter = { vcs: [], bootstrap: [] };
    const options = { charter, source: undefined, store: [], dir, privateHosts: [] };
    const say = (text: string) => said.push(text);
    expect(await openBuildNetwork({ ...options, job: makeJob(), say })).toBeUndefined();
    const network = await openBuildNetwork({ ...options, job: makeJob({ network: ['store'] }), say });
    await network?.close();
    expect(said[0]).toBe('network: store: no server is known');
  });
});
