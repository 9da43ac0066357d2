import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../../examples/demo/free-port.ts';
import { caches } from '../../support/caches.ts';
import { quorateWords } from '../../support/program.ts';
import { GitServer, git } from './git.ts';
import { command, Inside } from './inside.ts';
import { Proc, scratch } from './processes.ts';
import { refused } from './refused.ts';
import type { Line, Told } from './told.ts';

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
  trusted?: boolean;
  /** Passed to the controller. */
  slotWait?: string;
  controllerArgs?: string[];
  /** A bootstrap node of its own. */
  bootstrap?: boolean;
  /** Of other versions, by the name of the node or home that runs them. */
  programs?: Map<string, string>;
  /** Commands that ask, prepare or submit something run in the process of the tests. */
  askInside?: boolean;
}

export interface CommandPlace {
  home?: string;
  cwd?: string;
  /** Answers for people instead of `--json`. */
  plain?: boolean;
  /** Time for more than any other wait takes: an emulated machine. */
  ms?: number;
}

/** Folders, a git server and a port for a project. */
export interface Ground {
  dir: string;
  git: GitServer;
  port: number;
}

export async function newGround(): Promise<Ground> {
  const dir = await scratch();
  await mkdir(join(dir, 'tmp'));
  return { dir, git: await GitServer.start(join(dir, 'git')), port: await freePort() };
}

/** A project with all its machines. A node is what runs one of them, or a command. */
export abstract class AnyCluster<Node extends Told> {
  readonly dir: string;
  readonly git: GitServer;
  port: number;
  readonly env: NodeJS.ProcessEnv;
  readonly controllerArgs: string[];
  readonly #askInside: boolean;
  readonly workers = new Map<string, Node>();
  /** Files of other versions of the program, by the name of the node or home that runs them. */
  readonly programs: Map<string, string>;
  project = '';
  controller: Node | undefined;
  bootstrap: Node | undefined;
  /** Of the bootstrap node, where there is one. */
  bootstrapAddress: string | undefined;

  constructor({ dir, git: gitServer, port }: Ground, options: ClusterOptions) {
    const { slotWait, controllerArgs = [], askInside = false, programs = new Map() } = options;
    this.programs = programs;
    this.#askInside = askInside;
    this.dir = dir;
    this.git = gitServer;
    this.port = port;
    this.controllerArgs = [...(slotWait === undefined ? [] : ['--slot-wait', slotWait]), ...controllerArgs];
    this.env = {
      PATH: process.env.PATH,
      TMPDIR: join(dir, 'tmp'),
      LANG: 'C.UTF-8',
      ...caches,
    };
  }

  /** Starts `quorate … --json`, by default as the owner in the project's repository. */
  abstract start(name: string, args: string[], place?: CommandPlace): Node;

  /** The same, where its answer is all that matters. */
  protected ask(name: string, args: string[], place?: CommandPlace): Told {
    return this.#askInside ? this.inside(name, args, place) : this.start(name, args, place);
  }

  /** The same command in the process of the tests, whatever the others run in. */
  inside(name: string, args: string[], place: CommandPlace = {}): Inside {
    const { home = 'owner', cwd = this.projectDir, plain = false } = place;
    return new Inside(name, command(args, { home: this.home(home), cwd, json: !plain }), plain ? [] : args);
  }

  /** Joins with a ticket, or goes on without one, in a namespace unless another tier is named; ready when it works. */
  abstract join(name: string, ticket?: string, more?: string[]): Promise<Node>;

  protected abstract startBootstrap(): Promise<string>;

  /** Makes the project and starts its machines. */
  protected async open({
    volunteers = [],
    trusted = false,
    bootstrap = false,
  }: ClusterOptions): Promise<void> {
    if (bootstrap) this.bootstrapAddress = await this.startBootstrap();
    await mkdir(this.projectDir);
    await git(this.projectDir, 'init', '--quiet');
    const at = this.bootstrapAddress === undefined ? [] : ['--bootstrap', this.bootstrapAddress];
    const vcs = `127.0.0.1:${this.git.port}`;
    const made = await this.cli(['init', '--name', 'tools', '--vcs', vcs, ...at]);
    this.project = String(made.lines[0]?.project);
    await this.startController();
    await Promise.all([
      ...volunteers.map((name) => this.volunteer(name)),
      ...(trusted ? [this.trusted()] : []),
    ]);
  }

  get projectDir(): string {
    return join(this.dir, 'project');
  }

  home(name: string): string {
    return join(this.dir, 'homes', name);
  }

  /** The same command in a process of its own, whatever the others run in. */
  spawn(name: string, args: string[], place: CommandPlace = {}): Proc {
    const { home = 'owner', cwd = this.projectDir, plain = false } = place;
    const [node, quiet, own] = quorateWords;
    const program = [quiet, this.programs.get(name) ?? this.programs.get(home) ?? own];
    // Before the words: what stands after -- is another command.
    const all = [...program, '--home', this.home(home), ...(plain ? [] : ['--json']), ...args];
    return new Proc(name, node, all, { cwd, env: this.env, words: plain ? [] : args });
  }

  /** Runs a command to its end. */
  async cli(args: string[], place: CommandPlace = {}): Promise<Answer> {
    return this.answer(this.ask(`quorate ${args[0] ?? ''}`, args, place), place.ms);
  }

  async answer(node: Told, ms?: number): Promise<Answer> {
    const { code } = await node.end(ms);
    const failure = node.lines.find((line) => line.error !== undefined)?.error as
      | { code?: string }
      | undefined;
    return { code, lines: node.lines, error: failure?.code, stderr: node.stderr, report: node.report() };
  }

  async startController(cwd = this.projectDir): Promise<Node> {
    const args = ['controller', '--listen', `/ip4/127.0.0.1/tcp/${this.port}`, ...this.controllerArgs];
    this.controller = this.start('controller', args, { cwd });
    await this.controller.event('listening');
    return this.controller;
  }

  /** The running controller. */
  get control(): Node {
    if (this.controller === undefined) throw new Error('the controller was not started');
    return this.controller;
  }

  worker(name: string): Node {
    const node = this.workers.get(name);
    if (node === undefined) throw new Error(`there is no worker ${name}`);
    return node;
  }

  async ticket(operator: string, ...more: string[]): Promise<string> {
    const { lines, report } = await this.cli(['invite', operator, ...more]);
    const ticket = lines[0]?.ticket;
    if (typeof ticket !== 'string') throw new Error(`no ticket:\n${report}`);
    return ticket;
  }

  /** Ready when it works. */
  protected async joined(node: Node, ms?: number): Promise<Node> {
    this.workers.set(node.name, node);
    await node.event('working', ms === undefined ? {} : { ms });
    return node;
  }

  /** Words of `quorate join`. */
  protected joinWords(ticket: string | undefined, more: string[]): string[] {
    const tier = more.includes('--tier') ? [] : ['--tier', 'namespace'];
    const words = ['join', ...(ticket === undefined ? [] : [ticket]), '--yes', ...tier];
    return [...words, '--listen', '/ip4/127.0.0.1/tcp/0', ...more];
  }

  async volunteer(name: string, ...more: string[]): Promise<Node> {
    const node = await this.join(name, await this.ticket(name), more);
    await node.event('connected');
    return node;
  }

  /** Makes the key of a trusted worker, has the charter name it, and starts it. */
  async trusted(name = 'tower'): Promise<Node> {
    const { lines } = await this.cli(['key'], { home: name });
    const ticket = await this.ticket(name, '--role', 'trusted-worker', '--key', String(lines[0]?.key));
    const node = await this.join(name, ticket);
    await node.event('connected');
    return node;
  }

  /** Starts `quorate run`; ready when the controller has accepted the job. */
  async submit(url: string, ...more: string[]): Promise<Told & { readonly run: string }> {
    const node = this.ask('quorate run', ['run', url, ...more]);
    const { run } = await node.event('submitted');
    return Object.assign(node, { run: String(run) });
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
    const where = this.bootstrapAddress ?? addresses[0] ?? '';
    const args = ['fetch', artifact, '-o', this.fetched(folder), '--project', this.project];
    return this.cli([...args, '--bootstrap', where, ...more], { home: 'stranger', cwd: this.dir });
  }

  /** The same in this process, of an artifact that is to be refused. */
  refusedFetch(...given: Parameters<AnyCluster<Node>['fetch']>): Promise<Answer> {
    return refused(
      () => this.fetch(...given),
      ({ error }) => error === 'ARTIFACT_NOT_FOUND',
    );
  }

  /** Where `fetch` puts it. */
  fetched(folder: string): string {
    return join(this.dir, 'fetched', folder);
  }

  readText(...path: string[]): Promise<string> {
    return readFile(join(this.dir, ...path), 'utf8');
  }
}
