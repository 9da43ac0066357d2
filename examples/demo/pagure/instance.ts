import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { freePort } from '../free-port.ts';
import { celery, configOf, folders, python } from './config.ts';

declare module '../../../src/protocol/base/errors.ts' {
  interface ErrorCodes {
    DEMO_FORGE_FAILED: string;
  }
}

const script = join(import.meta.dirname, 'instance.py');
const exec = promisify(execFile);
const startMsMax = 300_000;

/** Starts a program that runs until it is stopped. */
export type Serve = (name: string, command: string, args: string[]) => void;

/** A flag of a commit: its status, as Pagure's API has it. */
export interface Flag {
  status: string;
  comment: string;
}

/**
 * An instance of Debian's pagure below one folder: its web application, its two workers, and Redis between them. Git is read from a
 * git daemon, and pushed as pagure's SSH server does it: git-receive-pack in the repository, whose hooks are told the account.
 */
export class Pagure {
  /** Base URL of its API and its pages. */
  readonly url: string;
  /** Token of the API, by account. */
  readonly tokens: Readonly<Record<string, string>>;
  readonly #dir: string;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(dir: string, url: string, env: NodeJS.ProcessEnv, tokens: Record<string, string>) {
    [this.#dir, this.url, this.#env, this.tokens] = [dir, url, env, tokens];
  }

  /** Ready when it answers. Errors: `DEMO_FORGE_FAILED`. */
  static async start(dir: string, users: readonly string[], serve: Serve): Promise<Pagure> {
    const port = await freePort();
    const [config, alembic] = [join(dir, 'pagure.cfg'), join(dir, 'alembic.ini')];
    for (const folder of folders) await mkdir(join(dir, folder), { recursive: true });
    await writeFile(config, configOf(dir, port));
    const database = `sqlalchemy.url = sqlite:///${join(dir, 'db.sqlite')}`;
    const packaged = await readFile('/etc/pagure/alembic.ini', 'utf8');
    await writeFile(alembic, packaged.replace(/^sqlalchemy\.url = .*$/m, database));
    const variables = { PAGURE_CONFIG: config, PYTHONWARNINGS: 'ignore', LANG: 'C.UTF-8' };
    const env = { ...variables, PATH: process.env.PATH };
    await run(env, python, '/usr/share/pagure/createdb.py', '-c', config, '-i', alembic);
    const tokens = lastJson<Record<string, string>>(await run(env, python, script, 'users', ...users));
    const set = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const started = (name: string, ...command: string[]) => serve(name, '/usr/bin/env', [...set, ...command]);
    const unsaved = ['--port', '0', '--save', '', '--appendonly', 'no', '--dir', dir];
    started('redis', '/usr/bin/redis-server', ...unsaved, '--unixsocket', join(dir, 'redis.sock'));
    started('pagure', python, script, 'serve');
    const worker = ['worker', '-P', 'solo', '--loglevel', 'WARNING'];
    started('pagure git', celery, '-A', 'pagure.lib.tasks', ...worker, '-n', 'git');
    const hooks = ['-A', 'pagure.lib.tasks_services', ...worker, '-Q', 'pagure_webhook', '-n', 'hooks'];
    started('pagure webhooks', celery, ...hooks);
    const instance = new Pagure(dir, `http://127.0.0.1:${port}`, env, tokens);
    await instance.#answers();
    return instance;
  }

  /** Folder of its repositories, for a git daemon. */
  get repositories(): string {
    return join(this.#dir, 'repositories');
  }

  async #answers(): Promise<void> {
    const end = performance.now() + startMsMax;
    for (;;) {
      const answer = await fetch(`${this.url}/api/0/version`).catch(() => undefined);
      if (answer?.ok === true) return;
      if (performance.now() > end) throw new QuorateError('DEMO_FORGE_FAILED', 'pagure does not answer');
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }

  /** Asks its API as one of the accounts. Errors: `DEMO_FORGE_FAILED`. */
  async ask<T>(user: string, path: string, form?: Record<string, string>): Promise<T> {
    const answer = await fetch(`${this.url}/api/0/${path}`, {
      headers: { authorization: `token ${this.tokens[user]}` },
      ...(form !== undefined && { method: 'POST', body: new URLSearchParams(form) }),
    });
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text) as T;
    const said = `${answer.status}: ${text.slice(0, 300)}`;
    throw new QuorateError('DEMO_FORGE_FAILED', `pagure answers ${path} with ${said}`);
  }

  newProject(user: string, name: string): Promise<unknown> {
    return this.ask(user, 'new', { name, description: name, wait: 'true', default_branch: 'main' });
  }

  /** Pushes what a working tree has checked out, as this account; gives its commit. */
  async push(user: string, folder: string, repository: string, branch: string): Promise<string> {
    const env = { ...this.#env, GL_USER: user, HOME: this.#dir, GIT_CONFIG_NOSYSTEM: '1' };
    const to = join(this.repositories, `${repository}.git`);
    await exec('git', ['push', '--quiet', '--force', to, `HEAD:refs/heads/${branch}`], {
      cwd: folder,
      env,
      timeout: startMsMax,
    });
    const { stdout } = await exec('git', ['rev-parse', 'HEAD'], { cwd: folder, env });
    return stdout.trim();
  }

  /** Proposes what a working tree has checked out to the project, from a fork of this account. */
  async propose(user: string, folder: string, project: string, title: string): Promise<string> {
    await this.ask(user, 'fork', { repo: project, wait: 'true' });
    const commit = await this.push(user, folder, `forks/${user}/${project}`, 'proposal');
    await this.ask(user, `${project}/pull-request/new`, {
      title,
      branch_to: 'main',
      branch_from: 'proposal',
      initial_comment: title,
      repo_from: project,
      repo_from_username: user,
    });
    return commit;
  }

  /** The flags of a commit, by name. */
  async flags(project: string, commit: string): Promise<Map<string, Flag>> {
    const { flags } = await this.ask<{ flags: (Flag & { username: string })[] }>(
      'owner',
      `${project}/c/${commit}/flag`,
    );
    return new Map(flags.map(({ username, status, comment }) => [username, { status, comment }]));
  }

  /** Has webhooks of a project sent to this address; gives the secret that signs them. */
  async sendHooks(project: string, url: string): Promise<string> {
    return lastJson<{ secret: string }>(await run(this.#env, python, script, 'hook', project, url)).secret;
  }
}

async function run(env: NodeJS.ProcessEnv, command: string, ...args: string[]): Promise<string> {
  try {
    const options = { env, timeout: startMsMax, maxBuffer: 64 * 1024 * 1024 };
    return (await exec(command, args, options)).stdout;
  } catch (cause) {
    const { stderr = '' } = cause as { stderr?: string };
    const said = stderr.trim().split('\n').at(-1) ?? '';
    throw new QuorateError('DEMO_FORGE_FAILED', `pagure could not be prepared: ${said.slice(0, 300)}`, {
      cause,
    });
  }
}

/** Pagure logs on standard output too; the answer is the last line. */
const lastJson = <T>(text: string): T => JSON.parse(text.trim().split('\n').at(-1) ?? '') as T;
