import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { QuorateError } from '../../src/core/errors.ts';
import { anyPort, honest, lentOptions, tamperer, trusted } from './cast.ts';
import { type Line, Processes, type Running } from './processes.ts';

export const root = join(import.meta.dirname, '..', '..');
const cli = join(root, 'bin', 'quorate.js');
const quiet = '--disable-warning=ExperimentalWarning';

/** Everything the demo runs, in a folder of its own below the clone. */
export class Scene {
  readonly dir: string;
  readonly processes: Processes;
  readonly #say: (what: string, detail: string) => void;

  constructor(dir: string, say: (what: string, detail: string) => void) {
    this.dir = dir;
    this.#say = say;
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

  /** A bare repository that holds this clone's HEAD and nothing else, and git's own server in front of it. */
  async serveSource(): Promise<{ url: string; host: string; commit: string; dirty: boolean }> {
    const commit = await this.git(['rev-parse', '--verify', 'HEAD^{commit}'], root);
    const dirty = (await this.git(['status', '--porcelain'], root)) !== '';
    const bare = this.folder('git/quorate.git');
    await this.git(['init', '--quiet', '--bare', '--initial-branch=main'], bare);
    await this.git(['fetch', '--quiet', '--depth=1', `file://${root}`, 'HEAD:refs/heads/main'], bare);
    const port = await freePort();
    const daemon = join(await this.git(['--exec-path'], root), 'git-daemon');
    const base = join(this.dir, 'git');
    this.processes.serve(
      'git daemon',
      daemon,
      ['--listen=127.0.0.1', `--port=${port}`, '--export-all', `--base-path=${base}`, '--reuseaddr', base],
      { cwd: base, json: false },
    );
    const url = `git://127.0.0.1:${port}/quorate.git`;
    await this.#answers(url);
    this.#say('git server', url);
    return { url, host: `127.0.0.1:${port}`, commit, dirty };
  }

  async #answers(url: string): Promise<void> {
    for (let tried = 0; ; tried++) {
      const { code } = await this.processes.run('git', 'git', ['ls-remote', '--', url], {
        cwd: this.dir,
        seconds: 10,
        json: false,
        codes: [0, 128],
      });
      if (code === 0) break;
      if (tried === 40) throw new QuorateError('DEMO_TIMEOUT', 'the git server does not answer');
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
    this.#say('bootstrap node', address);
    return address;
  }

  async controller(
    vcs: string,
    bootstrap: string,
  ): Promise<{ node: Running; project: string; repo: string }> {
    const repo = this.folder('project');
    await this.git(['init', '--quiet'], repo);
    const made = await this.quorate(['init', '--name', 'quorate', '--vcs', vcs, '--bootstrap', bootstrap], {
      cwd: repo,
    });
    const node = this.serve('controller', ['controller', '--listen', anyPort], repo);
    const { id } = await node.line(({ event }) => event === 'listening', 'its address', 60);
    this.#say('controller', String(id));
    return { node, project: String(made.project), repo };
  }

  /** Three volunteers of three operators and the trusted worker, each connected and waiting for work. */
  async workers(controller: Running, repo: string): Promise<void> {
    await Promise.all([
      ...honest.map((operator) => this.#worker(controller, repo, operator, 'worker')),
      this.#worker(controller, repo, tamperer, 'worker'),
      this.#worker(controller, repo, trusted, 'trusted-worker'),
    ]);
  }

  async #worker(controller: Running, repo: string, operator: string, role: string): Promise<void> {
    const home = this.folder(`home-${operator}`);
    const bound =
      role === 'trusted-worker' ? ['--key', String((await this.quorate(['key', '--home', home])).key)] : [];
    const { ticket } = await this.quorate(['invite', operator, '--role', role, ...bound], { cwd: repo });
    const node =
      operator === tamperer
        ? this.processes.serve(
            operator,
            process.execPath,
            [quiet, join(import.meta.dirname, 'tamperer.ts'), home, String(ticket), anyPort],
            { cwd: this.dir },
          )
        : this.serve(operator, [
            'join',
            String(ticket),
            '--yes',
            '--tier',
            'namespace',
            '--home',
            home,
            '--listen',
            anyPort,
            ...lentOptions,
          ]);
    const { id } = await node.line(({ event }) => event === 'working', 'ready to work', 90);
    const isHere = (line: Line) =>
      line.event === 'present' && (line.data as { worker?: string }).worker === id;
    await controller.line(isHere, `${operator} to connect`, 60);
    const what = role === 'trusted-worker' ? 'trusted worker' : 'volunteer';
    this.#say(what, `${operator} ${String(id)}${operator === tamperer ? ' (will tamper)' : ''}`);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
