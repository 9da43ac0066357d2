import { copyFile, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { programFolder, quietFlag } from '../support/program.ts';
import { git } from './support/git.ts';
import { Hosts } from './support/hosts.ts';
import { program } from './support/jobs.ts';
import type { Proc } from './support/processes.ts';
import { until } from './support/wait.ts';

/** Of the services; members and the git server are on `world`. */
const services = ['idp', 'controller', 'store', 'bootstrap'] as const;
type Service = (typeof services)[number];
const gitPort = 9418;

/** A project whose parts are processes on addresses of their own, as docs/services.md sets them up. */
class Ground {
  readonly hosts: Hosts;
  readonly running = new Map<Service, Proc>();
  project = '';
  bootstrap = '';
  #commits = 0;

  constructor(hosts: Hosts) {
    this.hosts = hosts;
  }

  get repository(): string {
    return join(this.hosts.folder('world'), 'git', 'app');
  }

  async open(): Promise<void> {
    const { hosts } = this;
    await hosts.serveGit('world', join(hosts.folder('world'), 'git'), gitPort);
    await this.start('bootstrap');
    const { lines } = await hosts.answer('idp', ['idp', 'init']);
    const key = String(lines[0]?.key);
    await git(hosts.folder('controller'), 'init', '--quiet');
    const vcs = `${hosts.address('world')}:${gitPort}`;
    const made = await hosts.answer('controller', [
      ...['init', '--name', 'tools', '--idp', key, '--vcs', vcs, '--bootstrap', this.bootstrap],
    ]);
    this.project = String(made.lines[0]?.project);
    const keys = join(hosts.folder('controller'), '.quorate');
    await copyFile(join(keys, 'charter.jws'), join(hosts.folder('idp'), 'charter.jws'));
    // The root key is with neither of them but for the moments in which it signs.
    await mkdir(hosts.folder('owner'));
    await rename(join(keys, 'root.key'), join(hosts.folder('owner'), 'root.key'));
    for (const service of ['idp', 'controller', 'store'] as const) await this.start(service);
    await this.join('owner', await this.ticket('owner', '--role', 'publisher'));
    await Promise.all(
      ['alice', 'bob', 'carol'].map(async (name) => this.work(name, await this.ticket(name))),
    );
    await this.work('tower', await this.trustedTicket());
  }

  async start(service: Service): Promise<Proc> {
    const { hosts } = this;
    const listen = (port: number) => ['--listen', hosts.listens(service, port)];
    const words = {
      bootstrap: () => [
        ...[process.execPath, quietFlag, join(programFolder, 'bootstrap.js'), ...listen(4001)],
        ...['--key', join(hosts.folder('bootstrap'), 'node.key'), '--json'],
      ],
      idp: () => ['idp', ...listen(4711), ...(this.running.has('idp') ? [] : ['--charter', 'charter.jws'])],
      controller: () => ['controller', ...listen(4710), '--idp', hosts.listens('idp', 4711)],
      store: () => [
        ...['store', 'serve', ...listen(4720), '--project', this.project, '--bootstrap', this.bootstrap],
      ],
    }[service]();
    const proc = service === 'bootstrap' ? hosts.run(service, service, words) : hosts.quorate(service, words);
    this.running.set(service, proc);
    const { addresses } = await proc.told('"listening"', () =>
      proc.lines.find(({ event }) => event === 'listening' || event === 'serving'),
    );
    if (service === 'bootstrap') this.bootstrap = String((addresses as string[])[0]);
    return proc;
  }

  proc(service: Service): Proc {
    const proc = this.running.get(service);
    if (proc === undefined) throw new Error(`${service} was not started`);
    return proc;
  }

  /** A ticket, made where the identity provider's key is, once it knows where the controller is. */
  async ticket(operator: string, ...more: string[]): Promise<string> {
    return until(`a ticket for ${operator}`, async () => {
      const { lines } = await this.hosts.answer('idp', ['invite', operator, ...more]);
      const ticket = lines[0]?.ticket;
      return typeof ticket === 'string' && ticket;
    });
  }

  /** The root names the key, on the host of the controller; the identity provider learns of it. */
  async trustedTicket(): Promise<string> {
    const { hosts } = this;
    const { lines } = await hosts.answer('world', ['key'], { home: 'tower' });
    const key = String(lines[0]?.key);
    const there = join(hosts.folder('controller'), '.quorate', 'root.key');
    await rename(join(hosts.folder('owner'), 'root.key'), there);
    const { code, report } = await hosts.answer('controller', ['rotate', 'trusted-worker', '--add', key]);
    expect(code, report).toBe(0);
    await rename(there, join(hosts.folder('owner'), 'root.key'));
    return this.ticket('tower', '--role', 'trusted-worker', '--key', key);
  }

  join(name: string, ticket: string) {
    return this.hosts.answer('world', ['join', ticket], { home: name });
  }

  async work(name: string, ticket: string): Promise<Proc> {
    const words = ['join', ticket, '--yes', '--tier', 'namespace', '--memory', '1GiB'];
    const listen = ['--listen', `/ip4/${this.hosts.address('world')}/tcp/0`];
    const worker = this.hosts.quorate('world', [...words, ...listen], { home: name });
    await worker.event('connected');
    return worker;
  }

  /** Builds another commit; gives its artifact. */
  async build(): Promise<string> {
    const says = `hello ${++this.#commits}`;
    const { repository } = this;
    const files = program(says);
    await mkdir(repository, { recursive: true });
    for (const [path, text] of Object.entries(files)) await writeFile(join(repository, path), text);
    await git(repository, 'init', '--quiet', '--initial-branch=main');
    await git(repository, 'add', '--all');
    await git(repository, 'commit', '--quiet', '--message', says);
    const url = `git://${this.hosts.address('world')}:${gitPort}/app`;
    const { code, lines, report } = await this.hosts.answer('world', ['run', url], { home: 'owner' });
    expect(code, report).toBe(0);
    const artifact = lines.at(-1)?.artifact;
    expect(typeof artifact, report).toBe('string');
    return String(artifact);
  }

  /** By somebody who knows the root key and one address. */
  async fetch(artifact: string, folder: string, from = this.bootstrap): Promise<string | undefined> {
    const out = join(this.hosts.dir, 'fetched', folder);
    const { code, error } = await this.hosts.answer(
      'world',
      ['fetch', artifact, '-o', out, '--project', this.project, '--bootstrap', from],
      { home: `stranger-${folder}` },
    );
    if (code !== 0) return error;
    return (await readFile(join(out, 'bin', 'say'), 'utf8')).trim().split('\n').at(-1);
  }
}

let ground: Ground;
const longMs = 900_000;

beforeAll(async () => {
  ground = new Ground(await Hosts.open([...services, 'world']));
  await ground.open();
}, longMs);
afterAll(() => ground?.hosts.close());

/** What happens while nobody reaches a service, and it reaches nobody. */
async function away(service: Service, meanwhile: () => Promise<void>): Promise<void> {
  await ground.hosts.unreachable(service);
  try {
    await meanwhile();
  } finally {
    await ground.hosts.reachable(service);
  }
}

describe('a project as processes on addresses of their own', { timeout: longMs }, () => {
  let artifact = '';

  it('has each key where it belongs', async () => {
    const keys = async (service: Service) =>
      (await readdir(join(ground.hosts.folder(service), '.quorate'))).filter((name) => name.endsWith('.key'));
    expect(await keys('controller')).toEqual(['controller.key']);
    expect(await keys('idp')).toEqual(['idp.key']);
  });

  it('builds what is trusted and fetched by a stranger', async () => {
    artifact = await ground.build();
    expect(await ground.fetch(artifact, 'first')).toBe('echo hello 1');
  });

  it('goes on when each of them was killed and has started again', async () => {
    for (const service of services) {
      await ground.proc(service).kill();
      await ground.start(service);
    }
    const ticket = await ground.ticket('dora', '--role', 'reader');
    await until('dora to join', async () => (await ground.join('dora', ticket)).code === 0);
    artifact = await ground.build();
    expect(await ground.fetch(artifact, 'restarted')).toBe('echo hello 2');
  });

  it('builds while nobody reaches the identity provider, and admits nobody until it is back', async () => {
    const ticket = await ground.ticket('emil', '--role', 'reader');
    await away('idp', async () => {
      expect((await ground.join('emil', ticket)).error).toBe('IDP_UNREACHABLE');
      artifact = await ground.build();
      expect(await ground.fetch(artifact, 'no-idp')).toBe('echo hello 3');
    });
    await until('emil to join', async () => (await ground.join('emil', ticket)).code === 0);
  });

  it('builds while nobody reaches the bootstrap node, and is fetched from an address that is known', async () => {
    await away('bootstrap', async () => {
      const built = await ground.build();
      const { addresses } = await ground.proc('controller').event('listening');
      expect(await ground.fetch(built, 'no-bootstrap', String((addresses as string[])[0]))).toBe(
        'echo hello 4',
      );
    });
  });

  it('builds while nobody reaches the store, which catches up', async () => {
    await away('store', async () => {
      artifact = await ground.build();
      expect(await ground.fetch(artifact, 'no-store')).toBe('echo hello 5');
    });
    const store = ground.proc('store');
    await store.told('the artifact it missed', () =>
      store.lines.find((line) => JSON.stringify(line).includes(artifact)),
    );
  });

  it('is fetched while nobody reaches the controller, and takes jobs and members once it is back', async () => {
    const ticket = await ground.ticket('fay', '--role', 'reader');
    await away('controller', async () => {
      expect(await ground.fetch(artifact, 'no-controller')).toBe('echo hello 5');
      expect((await ground.join('fay', ticket)).error).toBe('CONTROLLER_UNREACHABLE');
    });
    await until('fay to join', async () => (await ground.join('fay', ticket)).code === 0);
    expect(await ground.fetch(await ground.build(), 'last')).toBe('echo hello 6');
  });
});
