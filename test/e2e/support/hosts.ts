import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { caches } from '../../support/caches.ts';
import { quorateWords } from '../../support/program.ts';
import { git } from './git.ts';
import { Proc, scratch } from './processes.ts';
import type { Line } from './told.ts';
import { until } from './wait.ts';

const exec = promisify(execFile);
const ip = (...args: string[]) => exec('ip', args, { timeout: 20_000 });

/** Names of interfaces have at most 15 characters. */
const prefix = `q${process.pid}`;

export interface Answer {
  code: number | null;
  lines: Line[];
  /** Code of the error it ended with. */
  error: string | undefined;
  report: string;
}

/** Where a program runs. */
export interface Place {
  home?: string;
  cwd?: string;
  /** Beside that of all programs. */
  env?: NodeJS.ProcessEnv;
}

/** Hosts with an address each, at one switch: network namespaces and a bridge in one of their own. As root only. */
export class Hosts {
  readonly dir: string;
  /** Of every process that was started on a host. */
  readonly pids = new Set<number>();
  readonly #names: string[] = [];
  readonly #env: NodeJS.ProcessEnv;

  private constructor(dir: string) {
    this.dir = dir;
    this.#env = { PATH: process.env.PATH, TMPDIR: join(dir, 'tmp'), LANG: 'C.UTF-8', ...caches };
  }

  static async open(names: readonly string[]): Promise<Hosts> {
    const hosts = new Hosts(await scratch());
    await mkdir(join(hosts.dir, 'tmp'));
    await ip('netns', 'add', `${prefix}-net`);
    await ip('-n', `${prefix}-net`, 'link', 'add', 'switch', 'type', 'bridge');
    await ip('-n', `${prefix}-net`, 'link', 'set', 'switch', 'up');
    for (const name of names) await hosts.#add(name);
    return hosts;
  }

  async #add(name: string): Promise<void> {
    const space = `${prefix}-${name}`;
    const n = this.#names.push(name);
    await ip('netns', 'add', space);
    const far = ['peer', 'name', `port${n}`, 'netns', `${prefix}-net`];
    await ip('-n', space, 'link', 'add', 'eth0', 'type', 'veth', ...far);
    await ip('-n', `${prefix}-net`, 'link', 'set', `port${n}`, 'master', 'switch', 'up');
    await ip('-n', space, 'addr', 'add', `${this.address(name)}/24`, 'dev', 'eth0');
    for (const device of ['lo', 'eth0']) await ip('-n', space, 'link', 'set', device, 'up');
    await mkdir(this.folder(name), { recursive: true });
  }

  address(name: string): string {
    return `10.77.0.${this.#names.indexOf(name) + 2}`;
  }

  /** Of a node that listens there. */
  listens(name: string, port: number): string {
    return `/ip4/${this.address(name)}/tcp/${port}`;
  }

  folder(name: string): string {
    return join(this.dir, name);
  }

  /** Cuts the host off in both directions, until `reachable`. */
  async unreachable(name: string): Promise<void> {
    await this.#port(name, 'down');
  }

  async reachable(name: string): Promise<void> {
    await this.#port(name, 'up');
  }

  #port(name: string, state: 'up' | 'down') {
    return ip('-n', `${prefix}-net`, 'link', 'set', `port${this.#names.indexOf(name) + 1}`, state);
  }

  home(name: string): string {
    return join(this.dir, 'homes', name);
  }

  /** A program on a host. */
  run(
    host: string,
    name: string,
    words: readonly string[],
    { cwd = this.folder(host), env = {} }: Place = {},
  ) {
    // Not `ip netns exec`, which hides the control groups.
    const args = [`--net=/run/netns/${prefix}-${host}`, '--', ...words];
    const proc = new Proc(name, 'nsenter', args, { cwd, env: { ...this.#env, ...env } });
    this.pids.add(proc.pid);
    return proc;
  }

  /** `quorate … --json` on a host, by default in its own folder and from the home of that name. */
  quorate(host: string, args: readonly string[], { home = host, ...place }: Place = {}): Proc {
    const words = [...quorateWords, '--home', this.home(home), ...args, '--json'];
    return this.run(host, `quorate ${args[0] ?? ''} of ${home}`, words, place);
  }

  /** Runs a command to its end. */
  async answer(host: string, args: readonly string[], place: Place = {}): Promise<Answer> {
    const node = this.quorate(host, args, place);
    const { code } = await node.end();
    const failure = node.lines.find((line) => line.error !== undefined)?.error as
      | { code?: string }
      | undefined;
    return { code, lines: node.lines, error: failure?.code, report: node.report() };
  }

  /** A git server on a host. It serves every repository below `dir`. */
  async serveGit(host: string, dir: string, port: number): Promise<Proc> {
    await mkdir(dir, { recursive: true });
    const program = join(await git(dir, '--exec-path'), 'git-daemon');
    const where = [`--listen=${this.address(host)}`, `--port=${port}`, `--base-path=${dir}`];
    const words = [program, '--reuseaddr', '--export-all', '--verbose', '--log-destination=stderr', ...where];
    const proc = this.run(host, 'git daemon', words, { cwd: dir });
    await until('the git daemon', () => proc.stderr.includes('Ready to rumble') || !proc.alive);
    return proc;
  }

  /** Namespaces that are there, of those that were made here. */
  async left(): Promise<string[]> {
    const { stdout } = await ip('netns', 'list');
    return stdout.split('\n').filter((line) => line.startsWith(`${prefix}-`));
  }

  /** The programs in them end with the file. */
  async close(): Promise<void> {
    for (const name of [...this.#names.splice(0), 'net'])
      await ip('netns', 'del', `${prefix}-${name}`).catch(() => {});
  }
}
