import { execFile, spawnSync } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { unzipSync } from 'node:zlib';
import { freePort } from '../../examples/demo/free-port.ts';
import { processorMs } from '../../test/e2e/support/proc-files.ts';
import { Proc } from '../../test/e2e/support/processes.ts';
import type { Line } from '../../test/e2e/support/told.ts';

const exec = promisify(execFile);
const startMsMax = 120_000;
/** Wait for the lock of the database while the master writes, in ms. */
const lockedMsMax = 10_000;
const buildsMsMax = 600_000;
const root = join(import.meta.dirname, '..', '..');

/** Milliseconds after a change was sent. */
export interface BuildbotCourse {
  /** When the first build process began, and the last. */
  began: number;
  allBegan: number;
  /** When the last of the builds was over. */
  over: number;
}

/** Installs what is missing, as root, and says so on stderr. Errors: that something is missing still. */
export function installBuildbot(): void {
  const args = [join(root, 'scripts', 'setup.js'), '--for', 'peers'];
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error('the suite needs Debian packages that are not here: see above');
}

/**
 * A master and workers of Buildbot on 127.0.0.1, each a process, all files in one folder. A change starts one build on
 * each worker. `endAll` ends the processes.
 */
export class Buildbot {
  readonly version: string;
  readonly #master: Proc;
  readonly #workers: Proc[];
  readonly #sender: Proc;
  readonly #database: string;
  #sent = 0;

  private constructor(version: string, master: Proc, workers: Proc[], sender: Proc, database: string) {
    this.version = version;
    this.#master = master;
    this.#workers = workers;
    this.#sender = sender;
    this.#database = database;
  }

  /** `dir` is a folder to fill, `repository` a URL that git fetches from. */
  static async start(dir: string, repository: string, names: readonly string[]): Promise<Buildbot> {
    const port = String(await freePort());
    const password = 'loopback';
    const env = {
      PATH: '/usr/bin:/bin',
      HOME: dir,
      TMPDIR: dir,
      LANG: 'C.UTF-8',
      PB_PORT: port,
      REPOSITORY: repository,
      WORKERS: names.join(','),
      PASSWORD: password,
    };
    const ask = (program: string, ...args: string[]) =>
      exec(program, args, { cwd: dir, env, timeout: startMsMax });
    await ask('buildbot', 'create-master', 'master');
    await copyFile(join(import.meta.dirname, 'master.cfg'), join(dir, 'master', 'master.cfg'));
    const create = ['create-worker', '--umask=0o22'];
    for (const name of names)
      await ask('buildbot-worker', ...create, name, `127.0.0.1:${port}`, name, password);
    const place = { cwd: dir, env };
    const master = new Proc('buildbot master', 'buildbot', ['start', '--nodaemon', 'master'], place);
    await master.event('started', { ms: startMsMax });
    const workers = names.map(
      (name) => new Proc(`buildbot ${name}`, 'buildbot-worker', ['start', '--nodaemon', name], place),
    );
    await master.events('connected', names.length);
    const script = join(import.meta.dirname, 'sender.py');
    const sender = new Proc('sender', '/usr/bin/python3', [script], { ...place, stdin: 'pipe' });
    await sender.event('connected', { ms: startMsMax });
    const { stdout } = await ask('buildbot', '--version');
    const version = /Buildbot version: (\S+)/.exec(stdout)?.[1] ?? 'unknown';
    return new Buildbot(version, master, workers, sender, join(dir, 'master', 'state.sqlite'));
  }

  /** Sends a change; resolves once the master has taken it. */
  async submit(commit: string): Promise<void> {
    this.#sent += 1;
    this.#sender.write(commit);
    await this.#sender.events('taken', this.#sent);
  }

  /** Sends the change `count` times, one after the other. Resolves once all builds are over. Errors: a build that failed. */
  async builds(commit: string, count: number): Promise<Line[]> {
    const since = this.#master.mark();
    for (let sent = 0; sent < count; sent += 1) await this.submit(commit);
    const all = count * this.#workers.length;
    const finished = await this.#master.told(
      `${all} builds`,
      () => {
        const lines = this.#master.lines.slice(since).filter(({ event }) => event === 'finished');
        return lines.length >= all && lines;
      },
      buildsMsMax,
    );
    const failed = finished.find(({ results }) => results !== 0);
    if (failed !== undefined) throw new Error(`a build of Buildbot failed: ${JSON.stringify(failed)}`);
    return finished;
  }

  async course(commit: string): Promise<BuildbotCourse> {
    const started = performance.timeOrigin + performance.now();
    const finished = await this.builds(commit, 1);
    const began = finished.map(({ buildid }) => this.#began(Number(buildid)) - started);
    return {
      began: Math.min(...began),
      allBegan: Math.max(...began),
      over: Math.max(...finished.map(({ at }) => Number(at))) - started,
    };
  }

  /** Milliseconds since the epoch, as the build's log has it. */
  #began(build: number): number {
    const database = new DatabaseSync(this.#database, { readOnly: true, timeout: lockedMsMax });
    try {
      const chunks = database
        .prepare(
          `SELECT content, compressed FROM logchunks JOIN logs ON logs.id = logid JOIN steps ON steps.id = stepid
           WHERE buildid = ? AND steps.name = 'build'`,
        )
        .all(build) as { content: Uint8Array; compressed: number }[];
      const texts = chunks.map(({ content, compressed }) =>
        Buffer.from(compressed === 0 ? content : unzipSync(content)).toString(),
      );
      const [, nanoseconds] = /began=(\d+)/.exec(texts.join('')) ?? [];
      if (nanoseconds === undefined) throw new Error(`build ${build} of Buildbot does not say when it began`);
      return Number(nanoseconds) / 1e6;
    } finally {
      database.close();
    }
  }

  /** Of the master and the workers, builds that have ended included. */
  async processorMs(): Promise<number> {
    const each = [this.#master, ...this.#workers].map(({ pid }) => processorMs(pid));
    return (await Promise.all(each)).reduce((sum, ms) => sum + ms, 0);
  }
}
