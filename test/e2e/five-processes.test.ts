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
const services = ['idp', 'controller', 'store', 'bootstrap', 'watch'] as const;
type Service = (typeof services)[number];
const gitPort = 9418;

/** A project whose parts are processes on addresses of their own, as docs/services.md sets them up. */
class Ground {
  readonly hosts: Hosts;
  readonly running = new Map<Service, Proc>();
  project = '';
  bootstrap = '';
  /** Of the store, which the controller asks to keep what it publishes. */
  store = '';
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
    for (const service of ['idp', 'store', 'controller'] as const) await this.start(service);
    await this.join('owner', await this.ticket('owner', '--role', 'publisher'));
    await Promise.all(
      ['alice', 'bob', 'carol'].map(async (name) => this.work(name, await this.ticket(name))),
    );
    await this.work('tower', await this.trustedTicket());
    await this.commit();
    await this.join('watch', await this.ticket('watch', '--role', 'publisher'), 'watch');
    const [url, rule] = [`url = "${this.url}"\npoll = "1s"`, 'name = "main"\nbranches = ["main"]'];
    const settings = `[repository]\n${url}\n\n[[rule]]\n${rule}\n`;
    await writeFile(join(hosts.dir, 'homes', 'watch', 'watch.toml'), settings);
    await this.start('watch');
    // What is there when it looks first is not published.
    await this.proc('watch').event('looked');
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
      controller: () => [
        ...['controller', ...listen(4710), '--idp', hosts.listens('idp', 4711), '--store', this.store],
      ],
      watch: () => ['watch'],
      store: () => [
        ...['store', 'serve', ...listen(4720), '--project', this.project, '--bootstrap', this.bootstrap],
      ],
    }[service]();
    const proc = service === 'bootstrap' ? hosts.run(service, service, words) : hosts.quorate(service, words);
    this.running.set(service, proc);
    const { addresses = [] } = await proc.event(service === 'watch' ? 'watching' : 'listening');
    if (service === 'bootstrap' || service === 'store') this[service] = String((addresses as string[])[0]);
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

  join(name: string, ticket: string, host: Service | 'world' = 'world') {
    return this.hosts.answer(host, ['join', ticket], { home: name });
  }

  async work(name: string, ticket: string): Promise<Proc> {
    const words = ['join', ticket, '--yes', '--tier', 'namespace', '--memory', '1GiB'];
    const listen = ['--listen', `/ip4/${this.hosts.address('world')}/tcp/0`];
    const worker = this.hosts.quorate('world', [...words, ...listen], { home: name });
    await worker.event('connected');
    return worker;
  }

  get url(): string {
    return `git://${this.hosts.address('world')}:${gitPort}/app`;
  }

  /** Commits another program; gives what it says. */
  async commit(): Promise<string> {
    const says = `hello ${this.#commits++}`;
    const { repository } = this;
    await mkdir(repository, { recursive: true });
    for (const [path, text] of Object.entries(program(says))) await writeFile(join(repository, path), text);
    await git(repository, 'init', '--quiet', '--initial-branch=main');
    await git(repository, 'add', '--all');
    await git(repository, 'commit', '--quiet', '--message', says);
    return `echo ${says}`;
  }

  /** The watcher sees a commit and publishes it; gives its run. */
  async publish(): Promise<{ run: string; says: string }> {
    const watch = this.proc('watch');
    const since = watch.mark();
    const says = await this.commit();
    const { runs } = await watch.event('published', { since });
    return { run: String((runs as { run: string }[])[0]?.run), says };
  }

  async show(run: string): Promise<{ level: unknown; artifact: unknown; text: string }> {
    const { lines } = await this.hosts.answer('world', ['show', run], { home: 'owner' });
    const { level, artifact } = (lines[0]?.summary ?? {}) as { level?: unknown; artifact?: unknown };
    return { level, artifact, text: JSON.stringify(lines) };
  }

  async trusted(run: string): Promise<string> {
    return until(`${run} to be trusted`, async () => {
      const { level, artifact } = await this.show(run);
      return level === 'trusted' && String(artifact);
    });
  }

  /** Pushes another commit, and waits until what is built of it is trusted. */
  async build(): Promise<{ artifact: string; says: string }> {
    const { run, says } = await this.publish();
    return { artifact: await this.trusted(run), says };
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
  let last: { artifact: string; says: string };

  it('has each key where it belongs', async () => {
    const keys = async (service: Service) =>
      (await readdir(join(ground.hosts.folder(service), '.quorate'))).filter((name) => name.endsWith('.key'));
    expect(await keys('controller')).toEqual(['controller.key']);
    expect(await keys('idp')).toEqual(['idp.key']);
  });

  it('builds what is pushed until it is trusted, and a stranger fetches it', async () => {
    last = await ground.build();
    expect(await ground.fetch(last.artifact, 'first')).toBe(last.says);
  });

  it('goes on when each of them was killed and has started again', async () => {
    for (const service of services) {
      await ground.proc(service).kill();
      await ground.start(service);
    }
    const ticket = await ground.ticket('dora', '--role', 'reader');
    await until('dora to join', async () => (await ground.join('dora', ticket)).code === 0);
    last = await ground.build();
    expect(await ground.fetch(last.artifact, 'restarted')).toBe(last.says);
  });

  it('builds while nobody reaches the identity provider, and admits nobody until it is back', async () => {
    const ticket = await ground.ticket('emil', '--role', 'reader');
    await away('idp', async () => {
      expect((await ground.join('emil', ticket)).error).toBe('IDP_UNREACHABLE');
      last = await ground.build();
      expect(await ground.fetch(last.artifact, 'no-idp')).toBe(last.says);
    });
    await until('emil to join', async () => (await ground.join('emil', ticket)).code === 0);
  });

  it('builds while nobody reaches the bootstrap node, and is fetched from an address that is known', async () => {
    await away('bootstrap', async () => {
      const { artifact, says } = await ground.build();
      expect(await ground.fetch(artifact, 'no-bootstrap', ground.store)).toBe(says);
    });
  });

  it('publishes nothing while nobody reaches the store that is to keep it, and then does', async () => {
    let run = '';
    await away('store', async () => {
      ({ run } = await ground.publish());
      const waits = async () => (await ground.show(run)).text.includes('waits for an artifact store');
      await until('the run to wait', waits);
      expect((await ground.show(run)).level).not.toBe('trusted');
    });
    expect(await ground.trusted(run)).toMatch(/^baf/);
  });

  it('builds what is asked for by hand while nobody reaches the watcher, which then sees what was pushed', async () => {
    const watch = ground.proc('watch');
    const since = watch.mark();
    await away('watch', async () => {
      const says = await ground.commit();
      const { code, lines, report } = await ground.hosts.answer('world', ['run', ground.url], {
        home: 'owner',
      });
      expect(code, report).toBe(0);
      expect(await ground.fetch(String(lines.at(-1)?.artifact), 'no-watch')).toBe(says);
    });
    await watch.event('published', { since });
  });

  it('is fetched while nobody reaches the controller, and takes jobs and members once it is back', async () => {
    const ticket = await ground.ticket('fay', '--role', 'reader');
    const watch = ground.proc('watch');
    const since = watch.mark();
    let says = '';
    await away('controller', async () => {
      says = await ground.commit();
      await watch.event('refused', { since });
      expect(await ground.fetch(last.artifact, 'no-controller')).toBe(last.says);
      expect((await ground.join('fay', ticket)).error).toBe('CONTROLLER_UNREACHABLE');
    });
    await until('fay to join', async () => (await ground.join('fay', ticket)).code === 0);
    const { runs } = await watch.event('published', { since });
    const artifact = await ground.trusted(String((runs as { run: string }[])[0]?.run));
    expect(await ground.fetch(artifact, 'last')).toBe(says);
  });
});
