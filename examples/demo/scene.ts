import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { anyPort, lentOptions, type Member, slowness } from './cast.ts';
import { freePort } from './free-port.ts';
import { type Line, Processes, type Running } from './processes.ts';

export const root = join(import.meta.dirname, '..', '..');
export const cli = join(root, 'bin', 'quorate.js');
export const quiet = '--disable-warning=ExperimentalWarning';

/** Programs of those who do not run the ordinary worker. */
const programs = { tampers: 'tamperer.ts', slow: 'slow-worker.ts' };
const asText = { ordinary: '', tampers: ' (will tamper)', slow: ` (on a machine ${slowness} times slower)` };

/** A project whose controller runs. */
export interface Project {
  node: Running;
  project: string;
  repo: string;
  bootstrap: string;
  /** URL of its pages, where it serves any. */
  http?: string | undefined;
}

/** Everything the demo runs, in a folder of its own below the clone. */
export class Scene {
  readonly dir: string;
  readonly processes: Processes;
  /** The worker of an operator. */
  readonly #ids = new Map<string, string>();
  readonly say: (what: string, detail: string) => void;
  /** Options of `quorate join` that ordinary workers have. */
  lent: readonly string[] = lentOptions;

  constructor(dir: string, say: (what: string, detail: string) => void) {
    this.dir = dir;
    this.say = say;
    const gitConfig = join(dir, 'gitconfig');
    // The clone may belong to another user than the one who runs this.
    writeFileSync(gitConfig, '[safe]\n\tdirectory = *\n');
    this.processes = new Processes({
      ...process.env,
      QUORATE_HOME: join(dir, 'home-unused'),
      GIT_CONFIG_GLOBAL: gitConfig,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
    });
  }

  folder(name: string): string {
    const path = join(this.dir, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** The real command line, as a process of its own, to its end. */
  async quorate(
    args: string[],
    options: { cwd?: string; seconds?: number; codes?: readonly number[] } = {},
  ): Promise<Line> {
    const { cwd = this.folder('elsewhere'), seconds = 60, ...rest } = options;
    const name = `quorate ${args[0]}`;
    const done = await this.processes.run(name, process.execPath, [quiet, cli, ...args, '--json'], {
      cwd,
      seconds,
      ...rest,
    });
    return done.last;
  }

  /** The same, without waiting for its end. */
  start(name: string, args: string[], cwd: string): Running {
    return this.processes.start(name, process.execPath, [quiet, cli, ...args, '--json'], { cwd });
  }

  /** The same, until it is stopped. */
  serve(name: string, args: string[], cwd = this.folder('elsewhere')): Running {
    return this.processes.serve(name, process.execPath, [quiet, cli, ...args, '--json'], { cwd });
  }

  async git(args: string[], cwd: string): Promise<string> {
    return (await this.processes.run('git', 'git', args, { cwd, seconds: 60, json: false })).text.trim();
  }

  /** A bare repository that holds this clone's HEAD and nothing else. */
  async ownRepository(): Promise<{ bare: string; commit: string; dirty: boolean }> {
    const commit = await this.git(['rev-parse', '--verify', 'HEAD^{commit}'], root);
    const dirty = (await this.git(['status', '--porcelain'], root)) !== '';
    const bare = await this.bareRepository('quorate');
    await this.git(['fetch', '--quiet', '--depth=1', `file://${root}`, 'HEAD:refs/heads/main'], bare);
    return { bare, commit, dirty };
  }

  async bareRepository(name: string): Promise<string> {
    const bare = this.folder(`git/${name}.git`);
    await this.git(['init', '--quiet', '--bare', '--initial-branch=main'], bare);
    return bare;
  }

  /** Git's own server in front of a bare repository. */
  async serveSource(bare: string): Promise<{ url: string; host: string }> {
    const port = await freePort();
    const daemon = join(await this.git(['--exec-path'], bare), 'git-daemon');
    const base = dirname(bare);
    this.processes.serve(
      'git daemon',
      daemon,
      ['--listen=127.0.0.1', `--port=${port}`, '--export-all', `--base-path=${base}`, '--reuseaddr', base],
      { cwd: base, json: false },
    );
    const url = `git://127.0.0.1:${port}/${basename(bare)}`;
    await this.#answers(url);
    this.say('git server', url);
    return { url, host: `127.0.0.1:${port}` };
  }

  async #answers(url: string): Promise<void> {
    const check = this.processes.patience.wait(10, 'the git server to answer');
    for (;;) {
      const { code } = await this.processes.run('git', 'git', ['ls-remote', '--', url], {
        cwd: this.dir,
        seconds: 10,
        json: false,
        codes: [0, 128],
      });
      if (code === 0) break;
      check();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async bootstrap(): Promise<string> {
    const main = join(root, 'bootstrap', 'main.ts');
    const node = this.processes.serve(
      'bootstrap node',
      process.execPath,
      [quiet, main, '--listen', anyPort, '--json'],
      {
        cwd: this.dir,
      },
    );
    const { addresses } = await node.line(({ event }) => event === 'listening', 'its address', 60);
    const [address] = addresses as string[];
    if (address === undefined)
      throw new QuorateError('DEMO_PROGRAM_FAILED', 'the bootstrap node has no address');
    this.say('bootstrap node', address);
    return address;
  }

  async controller(
    name: string,
    vcs: string,
    bootstrap: string,
    more: readonly string[] = [],
  ): Promise<Project> {
    const repo = this.folder('project');
    await this.git(['init', '--quiet'], repo);
    const made = await this.quorate(['init', '--name', name, '--vcs', vcs, '--bootstrap', bootstrap], {
      cwd: repo,
    });
    const node = this.serve('controller', ['controller', '--listen', anyPort, ...more], repo);
    const { id, http = [] } = await node.line(({ event }) => event === 'listening', 'its address', 60);
    this.say('controller', String(id));
    return { node, project: String(made.project), repo, bootstrap, http: (http as string[])[0] };
  }

  /** Each of these joins, and is connected and waiting for work. */
  async join(to: Project, members: readonly Member[]): Promise<Running[]> {
    return Promise.all(members.map((member) => this.#worker(to, member)));
  }

  /** Ordinary workers that joined before work again. */
  async comeBack(to: Project, members: readonly Member[]): Promise<Running[]> {
    return Promise.all(
      members.map(async (member) => {
        const node = this.#ordinary(member, []);
        const isHere = presenceOf(this.#ids.get(member.operator));
        await to.node.next(isHere, `${member.operator} to connect`, 90);
        this.say('volunteer', `${member.operator} is back`);
        return node;
      }),
    );
  }

  async #worker(to: Project, member: Member): Promise<Running> {
    const { operator, role, as } = member;
    const home = this.#home(member);
    const bound =
      role === 'trusted-worker' ? ['--key', String((await this.quorate(['key', '--home', home])).key)] : [];
    const { ticket } = await this.quorate(['invite', operator, '--role', role, ...bound], { cwd: to.repo });
    const node =
      as === 'ordinary'
        ? this.#ordinary(member, [String(ticket), '--yes'])
        : this.processes.serve(
            operator,
            process.execPath,
            [quiet, join(import.meta.dirname, programs[as]), home, String(ticket), anyPort],
            { cwd: this.dir },
          );
    return this.#working(to, member, node);
  }

  #home({ operator }: Member): string {
    return this.folder(`home-${operator}`);
  }

  #ordinary(member: Member, args: readonly string[]): Running {
    return this.serve(member.operator, [
      ...['join', ...args, '--tier', 'namespace', '--home', this.#home(member)],
      ...['--listen', anyPort, ...this.lent],
    ]);
  }

  async #working(to: Project, { operator, role, as }: Member, node: Running): Promise<Running> {
    const { id } = await node.line(({ event }) => event === 'working', 'ready to work', 90);
    this.#ids.set(operator, String(id));
    await to.node.line(presenceOf(String(id)), `${operator} to connect`, 60);
    const what = role === 'trusted-worker' ? 'trusted worker' : 'volunteer';
    this.say(what, `${operator} ${String(id)}${asText[as]}`);
    return node;
  }
}

const presenceOf =
  (worker: string | undefined) =>
  ({ event, data }: Line): boolean =>
    event === 'present' && (data as { worker?: string }).worker === worker;
