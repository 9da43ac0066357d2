import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Ended, finished, started, stillRunning, Told } from './told.ts';
import { sleep } from './wait.ts';

/** At the end of a file: what does not stop when it is asked to is killed. */
const stopMsMax = 20_000;

/** A program in a process of its own, ended by `endAll` at the latest. */
export class Proc extends Told {
  readonly ended: Promise<Ended>;
  readonly pid: number;
  readonly #child: ChildProcess;

  constructor(
    name: string,
    program: string,
    args: string[],
    options: {
      cwd: string;
      env: NodeJS.ProcessEnv;
      words?: readonly string[];
      /** For `write`; nothing by default. */
      stdin?: 'pipe';
    },
  ) {
    super(name, options.words);
    const { cwd, env, stdin = 'ignore' } = options;
    const child = spawn(program, args, { cwd, env, stdio: [stdin, 'pipe', 'pipe'] });
    this.#child = child;
    this.pid = child.pid ?? 0;
    started(this);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => this.take(line));
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        finished(this);
        this.over();
        resolve({ code, signal });
      };
      child.once('error', (error) => {
        this.stderr += String(error);
        end(null, null);
      });
      child.once('close', end);
    });
  }

  /** Writes a line to its standard input. */
  write(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  signal(name: NodeJS.Signals): void {
    if (this.alive) this.#child.kill(name);
  }

  async stop(name: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.signal(name);
    return this.end();
  }

  /** SIGKILL: no handler runs, nothing is flushed. */
  kill(): Promise<Ended> {
    this.signal('SIGKILL');
    return this.ended;
  }
}

const folders: string[] = [];
const endings: (() => Promise<unknown>)[] = [];

/** Has `endAll` end what is no `Proc`. */
export const endLater = (end: () => Promise<unknown>): void => void endings.push(end);

/** A folder that `endAll` removes, after every program in it has ended. */
export async function scratch(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-e2e-'));
  folders.push(dir);
  return dir;
}

/** The same at once. */
export function scratchSync(): string {
  const dir = mkdtempSync(join(tmpdir(), 'quorate-e2e-'));
  folders.push(dir);
  return dir;
}

/** The last output of every program that still runs. */
export const reports = (): string =>
  stillRunning()
    .map((one) => one.report())
    .join('\n');

/** Ends every program that was started here and removes the folders. */
export async function endAll(): Promise<void> {
  await Promise.all(
    stillRunning().map(async (one) => {
      await Promise.race([one.stop().catch(() => {}), sleep(stopMsMax)]);
      if (one.alive && one instanceof Proc) await one.kill();
    }),
  );
  await Promise.all(endings.splice(0).map((end) => end()));
  for (const dir of folders.splice(0)) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
}

process.once('exit', () => {
  for (const one of stillRunning()) if (one instanceof Proc) one.signal('SIGKILL');
});

export type { Line } from './told.ts';
