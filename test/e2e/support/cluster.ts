import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sandboxLimits } from '../../../sandbox/limits.ts';
import { caches } from '../../support/caches.ts';
import { programFolder, quietFlag, quorateWords } from '../../support/program.ts';
import { GitServer, git } from './git.ts';
import { type Line, Proc, scratch } from './processes.ts';
import { freePort } from './wait.ts';

export interface Answer {
  code: number | null;
  lines: Line[];
  /** Code of the error it ended with. */
  error: string | undefined;
  stderr: string;
  /** Everything it said, for messages. */
  report: string;
}

export interface ClusterOptions {
  /** Honest operators, one machine each. */
  volunteers?: string[];
  /** Operators who all change what they build in the same way. */
  tamper?: string[];
  trusted?: boolean;
  /** Passed to the controller. */
  slotWait?: string;
  controllerArgs?: string[];
  /** A bootstrap node of its own. */
  bootstrap?: boolean;
}

/** A project with all its machines, each a process of its own started through the real command line. */
export class Cluster {
  readonly dir: string;
  readonly git: GitServer;
  port: number;
  readonly env: NodeJS.ProcessEnv;
  readonly controllerArgs: string[];
  readonly workers = new Map<string, Proc>();
  project = '';
  controller: Proc | undefined;
  bootstrap: { proc: Proc; address: string } | undefined;

  private constructor(dir: string, gitServer: GitServer, port: number, controllerArgs: string[]) {
    this.dir = dir;
    this.git = gitServer;
    this.port = port;
    this.controllerArgs = controllerArgs;
    this.env = {
      PATH: process.env.PATH,
      TMPDIR: join(dir, 'tmp'),
      LANG: 'C.UTF-8',
      ...caches,
    };
  }

  static async start(options: ClusterOptions = {}): Promise<Cluster> {
    const dir = await scratch();
    await mkdir(join(dir, 'tmp'));
    const { slotWait, controllerArgs = [] } = options;
    const cluster = new Cluster(dir, await GitServer.start(join(dir, 'git')), await freePort(), [
      ...(slotWait === undefined ? [] : ['--slot-wait', slotWait]),
      ...controllerArgs,
    ]);
    if (options.bootstrap === true) await cluster.startBootstrap();
    await mkdir(cluster.projectDir);
    await git(cluster.projectDir, 'init', '--quiet');
    const at = cluster.bootstrap === undefined ? [] : ['--bootstrap', cluster.bootstrap.address];
    const made = await cluster.cli([
      'init',
      '--name',
      'tools',
      '--vcs',
      `127.0.0.1:${cluster.git.port}`,
      ...at,
    ]);
    cluster.project = String(made.lines[0]?.project);
    await cluster.startController();
    await Promise.all([
      ...(options.volunteers ?? []).map((name) => cluster.volunteer(name)),
      ...(options.tamper ?? []).map((name) => cluster.tamperer(name)),
      ...(options.trusted === true ? [cluster.trusted()] : []),
    ]);
    return cluster;
  }

  get projectDir(): string {
    return join(this.dir, 'project');
  }

  home(name: string): string {
    return join(this.dir, 'homes', name);
  }

  /** Starts `quorate … --json`, by default as the owner in the project's repository. */
  start(name: string, args: string[], options: { home?: string; cwd?: string } = {}): Proc {
    const { home = 'owner', cwd = this.projectDir } = options;
    const [node, ...program] = quorateWords;
    const all = [...program, '--home', this.home(home), ...args, '--json'];
    return new Proc(name, node, all, { cwd, env: this.env });
  }

  /** Runs a command to its end. */
  async cli(args: string[], options: { home?: string; cwd?: string; ms?: number } = {}): Promise<Answer> {
    const proc = this.start(`quorate ${args[0] ?? ''}`, args, options);
    return this.answer(proc, options.ms);
  }

  async answer(proc: Proc, ms = 60_000): Promise<Answer> {
    const { code } = await proc.end(ms);
    const failure = proc.lines.find((line) => line.error !== undefined)?.error as
      | { code?: string }
      | undefined;
    return { code, lines: proc.lines, error: failure?.code, stderr: proc.stderr, report: proc.report() };
  }

  async startController(): Promise<Proc> {
    const args = ['controller', '--listen', `/ip4/127.0.0.1/tcp/${this.port}`, ...this.controllerArgs];
    this.controller = this.start('controller', args);
    await this.controller.event('listening');
    return this.controller;
  }

  /** The running controller. */
  get control(): Proc {
    if (this.controller === undefined) throw new Error('the controller was not started');
    return this.controller;
  }

  worker(name: string): Proc {
    const proc = this.workers.get(name);
    if (proc === undefined) throw new Error(`there is no worker ${name}`);
    return proc;
  }

  async ticket(operator: string, ...more: string[]): Promise<string> {
    const { lines, report } = await this.cli(['invite', operator, ...more]);
    const ticket = lines[0]?.ticket;
    if (typeof ticket !== 'string') throw new Error(`no ticket:\n${report}`);
    return ticket;
  }

  /** Joins with a ticket, or goes on without one, in a namespace unless another tier is named; ready when it works. */
  async join(name: string, ticket?: string, more: string[] = []): Promise<Proc> {
    const tier = more.includes('--tier') ? [] : ['--tier', 'namespace'];
    const args = ['join', ...(ticket === undefined ? [] : [ticket]), '--yes', ...tier];
    const proc = this.start(name, [...args, '--listen', '/ip4/127.0.0.1/tcp/0', ...more], {
      home: name,
      cwd: this.dir,
    });
    this.workers.set(name, proc);
    // An emulated machine is tried out before, as long as that may take.
    const seconds = more.includes('vm-emulated') ? sandboxLimits.emulatedProbeSecondsMax + 20 : 120;
    await proc.event('working', { ms: seconds * 1000 });
    return proc;
  }

  async volunteer(name: string, ...more: string[]): Promise<Proc> {
    const proc = await this.join(name, await this.ticket(name), more);
    await proc.event('connected');
    return proc;
  }

  async tamperer(name: string): Promise<Proc> {
    const script = join(import.meta.dirname, 'tamperer.ts');
    const args = [quietFlag, script, '--home', this.home(name), '--ticket', await this.ticket(name)];
    const proc = new Proc(name, process.execPath, args, { cwd: this.dir, env: this.env });
    this.workers.set(name, proc);
    await proc.event('connected');
    return proc;
  }

  /** Makes the key of a trusted worker, has the charter name it, and starts it. */
  async trusted(name = 'tower'): Promise<Proc> {
    const { lines } = await this.cli(['key'], { home: name });
    const ticket = await this.ticket(name, '--role', 'trusted-worker', '--key', String(lines[0]?.key));
    const proc = await this.join(name, ticket);
    await proc.event('connected');
    return proc;
  }

  /** Starts `quorate run`; ready when the controller has accepted the job. */
  async submit(url: string, ...more: string[]): Promise<Proc & { readonly run: string }> {
    const proc = this.start('quorate run', ['run', url, '--timeout', '90s', ...more]);
    const { run } = await proc.event('submitted');
    return Object.assign(proc, { run: String(run) });
  }

  async show(
    run: string,
  ): Promise<{ level: string | null; state: string; artifact: string; history: Line[] }> {
    const { lines, report } = await this.cli(['show', run]);
    const [found] = lines as { summary?: Line; history?: { progress: Line }[] }[];
    if (found?.summary === undefined) throw new Error(`nothing to show:\n${report}`);
    const { level, state, artifact } = found.summary;
    return {
      level: level as string | null,
      state: String(state),
      artifact: String(artifact),
      history: (found.history ?? []).map(({ progress }) => progress),
    };
  }

  /** `quorate fetch` from a home that knows nothing but the project's id and the bootstrap address. */
  async fetch(artifact: string, folder: string, ...more: string[]): Promise<Answer> {
    const { addresses = [] } = (this.control.all('listening')[0] ?? {}) as { addresses?: string[] };
    const where = this.bootstrap?.address ?? addresses[0] ?? '';
    const args = ['fetch', artifact, '-o', this.fetched(folder), '--project', this.project];
    return this.cli([...args, '--bootstrap', where, ...more], { home: 'stranger', cwd: this.dir });
  }

  /** Where `fetch` puts it. */
  fetched(folder: string): string {
    return join(this.dir, 'fetched', folder);
  }

  readText(...path: string[]): Promise<string> {
    return readFile(join(this.dir, ...path), 'utf8');
  }

  private async startBootstrap(): Promise<void> {
    const args = [
      quietFlag,
      join(programFolder, 'bootstrap.js'),
      '--listen',
      '/ip4/127.0.0.1/tcp/0',
      '--json',
    ];
    const proc = new Proc('bootstrap', process.execPath, args, { cwd: this.dir, env: this.env });
    const { addresses } = await proc.event('listening');
    this.bootstrap = { proc, address: String((addresses as string[])[0]) };
  }
}
