import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sleep } from './wait.ts';

/** One line of a program that speaks JSON: what it tells (`event`), an answer, or `error`. */
export type Line = Record<string, unknown>;

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
}

const running = new Set<Proc>();
const endMsMax = 8_000;

/** A program in a process of its own, ended by `endAll` at the latest. */
export class Proc {
  readonly name: string;
  readonly lines: Line[] = [];
  readonly ended: Promise<Ended>;
  readonly pid: number;
  stderr = '';
  /** What was on standard output and is no JSON. */
  text = '';
  #ended: Ended | undefined;
  readonly #child: ChildProcess;

  constructor(
    name: string,
    program: string,
    args: string[],
    options: { cwd: string; env: NodeJS.ProcessEnv },
  ) {
    this.name = name;
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.pid = child.pid ?? 0;
    running.add(this);
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    if (child.stdout !== null)
      createInterface({ input: child.stdout }).on('line', (line) => this.#line(line));
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null) => {
        this.#ended = { code, signal };
        running.delete(this);
        resolve(this.#ended);
      };
      child.once('error', (error) => {
        this.stderr += String(error);
        end(null, null);
      });
      child.once('close', end);
    });
  }

  #line(line: string): void {
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === 'object' && value !== null) {
        this.lines.push(value as Line);
        return;
      }
    } catch {
      // Not JSON: kept as text.
    }
    this.text += `${line}\n`;
  }

  get alive(): boolean {
    return this.#ended === undefined;
  }

  /** Position in what it told so far, for `event` to look only at what comes later. */
  mark(): number {
    return this.lines.length;
  }

  /** The first line with this `event` after `since`; fails when the program ends without it, or after `ms`. */
  async event(
    event: string,
    options: { since?: number; ms?: number; where?: (line: Line) => boolean } = {},
  ): Promise<Line> {
    const { since = 0, ms = 30_000, where = () => true } = options;
    const end = Date.now() + ms;
    for (;;) {
      const over = !this.alive;
      const found = this.lines.slice(since).find((line) => line.event === event && where(line));
      if (found !== undefined) return found;
      if (over) throw new Error(`${this.name} ended without "${event}"\n${this.report()}`);
      if (Date.now() > end) throw new Error(`${ms} ms without "${event}" of ${this.name}\n${this.report()}`);
      await sleep(20);
    }
  }

  /** All lines with this `event`. */
  all(event: string): Line[] {
    return this.lines.filter((line) => line.event === event);
  }

  signal(name: NodeJS.Signals): void {
    if (this.alive) this.#child.kill(name);
  }

  /** Waits for the end by itself. */
  async end(ms: number): Promise<Ended> {
    const ended = await Promise.race([this.ended, sleep(ms)]);
    if (ended === undefined) throw new Error(`${this.name} runs for more than ${ms} ms\n${this.report()}`);
    return ended;
  }

  /** Asks it to stop, and makes it after a while. */
  async stop(name: NodeJS.Signals = 'SIGTERM'): Promise<Ended> {
    this.signal(name);
    const ended = await Promise.race([this.ended, sleep(endMsMax)]);
    if (ended !== undefined) return ended;
    this.signal('SIGKILL');
    return this.ended;
  }

  /** SIGKILL: no handler runs, nothing is flushed. */
  kill(): Promise<Ended> {
    this.signal('SIGKILL');
    return this.ended;
  }

  /** What it said lately, for a failing test's message. */
  report(): string {
    const said = this.lines.slice(-12).map((line) => JSON.stringify(line).slice(0, 400));
    return [`--- ${this.name} (${this.pid})`, ...said, this.text.slice(-1000), this.stderr.slice(-1000)].join(
      '\n',
    );
  }
}

const folders: string[] = [];

/** A folder that `endAll` removes, after every program in it has ended. */
export async function scratch(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'quorate-e2e-'));
  folders.push(dir);
  return dir;
}

/** What every program that still runs said lately. */
export const reports = (): string => [...running].map((proc) => proc.report()).join('\n');

/** Ends every program that was started here and removes the folders. */
export async function endAll(): Promise<void> {
  await Promise.all([...running].map((proc) => proc.stop()));
  for (const dir of folders.splice(0)) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
}

process.once('exit', () => {
  for (const proc of running) proc.signal('SIGKILL');
});
