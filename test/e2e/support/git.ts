import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../../../examples/demo/free-port.ts';
import { childrenOf } from './proc-files.ts';
import { Proc } from './processes.ts';
import { until } from './wait.ts';

const exec = promisify(execFile);
const gitEnv = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'A',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'A',
  GIT_COMMITTER_EMAIL: 'a@example.org',
};

/** In one process of this one, whose memory each start of a program copies the tables of; and in none of git's that looks after the repository. */
const committing =
  'git init --quiet --initial-branch=main && git add --all && git -c maintenance.auto=false commit --quiet --allow-empty --message=c';

export async function git(cwd: string, ...args: string[]): Promise<string> {
  const { stdout } = await exec('git', args, { cwd, env: gitEnv, timeout: 60_000 });
  return stdout.trim();
}

/** A real git daemon on a free port of 127.0.0.1. It serves every repository below its folder. */
export class GitServer {
  readonly dir: string;
  readonly port: number;
  readonly proc: Proc;

  private constructor(dir: string, port: number, proc: Proc) {
    this.dir = dir;
    this.port = port;
    this.proc = proc;
  }

  static async start(dir: string): Promise<GitServer> {
    await mkdir(dir, { recursive: true });
    const port = await freePort();
    // Not `git daemon`: that is a parent of the server, which would outlive it.
    const program = join(await git(dir, '--exec-path'), 'git-daemon');
    const where = ['--listen=127.0.0.1', `--port=${port}`, `--base-path=${dir}`];
    // More than 32 connections at once, which it resets otherwise: many commands are checked out together.
    const args = ['--reuseaddr', '--export-all', '--max-connections=0', '--log-destination=stderr', ...where];
    const proc = new Proc('git daemon', program, args, { cwd: dir, env: gitEnv });
    await until('the git daemon', () => answers(port));
    return new GitServer(dir, port, proc);
  }

  /** Ends the daemon with its children, which may serve on and hold its pipes, and waits until its port is closed. */
  async stop(): Promise<void> {
    const children = await childrenOf(this.proc.pid);
    this.proc.signal('SIGKILL');
    for (const child of children) process.kill(child, 'SIGKILL');
    await until('the end of the git daemon', async () => !(await answers(this.port)));
  }

  url(name: string): string {
    return `git://127.0.0.1:${this.port}/${name}`;
  }

  /** Where the working tree of a repository is. */
  folder(name: string): string {
    return join(this.dir, name);
  }

  /** Commits these files, to a new repository or on top of what is there; gives its URL. */
  async commit(name: string, files: Record<string, string>): Promise<string> {
    const dir = this.folder(name);
    await mkdir(dir, { recursive: true });
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(dir, path)), { recursive: true });
      await writeFile(join(dir, path), text);
    }
    return this.commitAll(name);
  }

  /** Commits what lies in the folder of that name. */
  async commitAll(name: string): Promise<string> {
    const dir = this.folder(name);
    await exec('sh', ['-c', committing], { cwd: dir, env: gitEnv, timeout: 60_000 });
    return this.url(name);
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
