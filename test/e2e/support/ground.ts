import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { programFolder, quietFlag } from '../../support/program.ts';
import { git } from './git.ts';
import type { Answer, Hosts } from './hosts.ts';
import { program } from './jobs.ts';
import type { Proc } from './processes.ts';
import { until } from './wait.ts';

/** Each on a host of its own, as are the workers; the git server and commands of members are on `world`. */
export const services = ['idp', 'controller', 'store', 'bootstrap', 'watch'] as const;
export type Service = (typeof services)[number];
/** Each of an operator of its own; `tower` is the trusted one. */
export const workers = ['alice', 'bob', 'carol', 'tower'] as const;
export type Worker = (typeof workers)[number];
export type Part = Service | Worker;
export const hostNames = [...services, ...workers, 'world'] as const;

/** The event by which a part says that it is ready. */
export const readyBy = (part: Part): string =>
  part === 'watch' ? 'watching' : isWorker(part) ? 'connected' : 'listening';
const gitPort = 9418;

const isWorker = (part: Part): part is Worker => (workers as readonly string[]).includes(part);

/** For one start of a part. */
export interface StartOptions {
  /** Of a worker, the first time. */
  ticket?: string;
  /** Words after those of every start. */
  more?: readonly string[];
  env?: NodeJS.ProcessEnv;
}

/** A project whose parts are processes on addresses of their own, as docs/services.md sets them up. */
export class Ground {
  readonly hosts: Hosts;
  readonly running = new Map<Part, Proc>();
  /** Words for its controller beside those of every one. */
  readonly #controllerArgs: readonly string[];
  git: Proc | undefined;
  project = '';
  bootstrap = '';
  /** Of the store, which the controller asks to keep what it publishes. */
  store = '';
  #commits = 0;

  constructor(hosts: Hosts, controllerArgs: readonly string[] = []) {
    this.hosts = hosts;
    this.#controllerArgs = controllerArgs;
  }

  get repository(): string {
    return join(this.hosts.folder('world'), 'git', 'app');
  }

  /** Below which a part keeps all that it keeps. */
  home(part: Part): string {
    const inFolder = part === 'controller' || part === 'idp' || part === 'bootstrap';
    return inFolder ? this.hosts.folder(part) : this.hosts.home(part);
  }

  async open(): Promise<void> {
    const { hosts } = this;
    this.git = await hosts.serveGit('world', join(hosts.folder('world'), 'git'), gitPort);
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
    await this.#move(join(keys, 'root.key'), join(hosts.folder('owner'), 'root.key'));
    for (const service of ['idp', 'store', 'controller'] as const) await this.start(service);
    await this.join('owner', await this.ticket('owner', '--role', 'publisher'));
    await Promise.all(
      workers.map(async (name) => {
        const ticket = name === 'tower' ? await this.trustedTicket() : await this.ticket(name);
        await this.start(name, { ticket });
      }),
    );
    await this.commit();
    await this.join('watch', await this.ticket('watch', '--role', 'publisher'), 'watch');
    const [url, rule] = [`url = "${this.url}"\npoll = "1s"`, 'name = "main"\nbranches = ["main"]'];
    const settings = `[repository]\n${url}\n\n[[rule]]\n${rule}\n`;
    await writeFile(join(hosts.home('watch'), 'watch.toml'), settings);
    await this.start('watch');
    // Commits that are there when it looks first are not published.
    await this.proc('watch').event('looked');
  }

  /** Starts a part, without waiting until it is ready. */
  spawn(part: Part, { ticket, more = [], env }: StartOptions = {}): Proc {
    const { hosts } = this;
    const listen = (port: number) => ['--listen', hosts.listens(part, port)];
    const worker = () => [
      ...['join', ...(ticket === undefined ? [] : [ticket]), '--yes', '--tier', 'namespace'],
      ...['--memory', '1GiB', ...listen(0)],
    ];
    const words = {
      bootstrap: () => [
        ...[process.execPath, quietFlag, join(programFolder, 'bootstrap.js'), ...listen(4001)],
        ...['--key', join(hosts.folder('bootstrap'), 'node.key'), '--json'],
      ],
      idp: () => ['idp', ...listen(4711), ...(this.running.has('idp') ? [] : ['--charter', 'charter.jws'])],
      controller: () => [
        ...['controller', ...listen(4710), '--idp', hosts.listens('idp', 4711), '--store', this.store],
        ...this.#controllerArgs,
      ],
      watch: () => ['watch'],
      store: () => [
        ...['store', 'serve', ...listen(4720), '--project', this.project, '--bootstrap', this.bootstrap],
      ],
      alice: worker,
      bob: worker,
      carol: worker,
      tower: worker,
    }[part]();
    const all = [...words, ...more];
    const proc =
      part === 'bootstrap'
        ? hosts.run(part, part, all, env === undefined ? {} : { env })
        : hosts.quorate(part, all, env === undefined ? {} : { env });
    this.running.set(part, proc);
    return proc;
  }

  async start(part: Part, options: StartOptions = {}): Promise<Proc> {
    const proc = this.spawn(part, options);
    const { addresses = [] } = await proc.event(readyBy(part));
    if (part === 'bootstrap' || part === 'store') this[part] = String((addresses as string[])[0]);
    return proc;
  }

  proc(part: Part): Proc {
    const proc = this.running.get(part);
    if (proc === undefined) throw new Error(`${part} was not started`);
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
    const { lines } = await hosts.answer('tower', ['key']);
    const key = String(lines[0]?.key);
    const [kept, there] = [hosts.folder('owner'), join(hosts.folder('controller'), '.quorate')].map((dir) =>
      join(dir, 'root.key'),
    ) as [string, string];
    await this.#move(kept, there);
    const { code, report } = await hosts.answer('controller', ['rotate', 'trusted-worker', '--add', key]);
    if (code !== 0) throw new Error(`the charter does not name ${key}:\n${report}`);
    await this.#move(there, kept);
    return this.ticket('tower', '--role', 'trusted-worker', '--key', key);
  }

  /** To another file system as well. */
  async #move(from: string, to: string): Promise<void> {
    await copyFile(from, `${to}.part`);
    await rename(`${to}.part`, to);
    await rm(from);
  }

  join(name: string, ticket: string, host: Service | 'world' = 'world') {
    return this.hosts.answer(host, ['join', ticket], { home: name });
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

  /** By somebody who knows the root key and one address. What its program says, or the code of the error. */
  async fetch(artifact: string, folder: string, { from = this.bootstrap, more = [] as string[] } = {}) {
    const out = join(this.hosts.dir, 'fetched', folder);
    const answer: Answer = await this.hosts.answer(
      'world',
      ['fetch', artifact, '-o', out, '--project', this.project, '--bootstrap', from, ...more],
      { home: `stranger-${folder}` },
    );
    if (answer.code !== 0) return answer.error;
    return (await readFile(join(out, 'bin', 'say'), 'utf8')).trim().split('\n').at(-1);
  }
}
