import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { QuorateError, reportedError } from '../../src/protocol/base/errors.ts';
import { escapeLine } from '../../src/protocol/base/escape.ts';
import { Patience } from './patience.ts';

type DemoErrorCode = 'DEMO_NOT_STARTED' | 'DEMO_PROGRAM_FAILED' | 'DEMO_STOPPED' | 'DEMO_STORY_INCOMPLETE';
declare module '../../src/protocol/base/errors.ts' {
  interface ErrorCodes extends Record<DemoErrorCode, string> {}
}

/** One line of JSON of a program. */
export type Line = Record<string, unknown> & { event?: string };

export interface Running {
  readonly name: string;
  readonly pid: number;
  /** The first line it printed, or will print, that fits. Fails when the program ends first, or when nothing moves any more. */
  line(fits: (line: Line) => boolean, what: string, seconds: number): Promise<Line>;
  /** The same, of lines that are still to come. */
  next(fits: (line: Line) => boolean, what: string, seconds: number): Promise<Line>;
  /** Every line, as it comes. */
  onLine(listener: (line: Line) => void): void;
  /** Why it ended with this code, in its own words: the error it printed. */
  failure(code: number): QuorateError;
  /** Its exit code; 128 + n after a signal. */
  readonly ended: Promise<number>;
  /** SIGINT, then after the given seconds SIGKILL. */
  stop(seconds?: number): Promise<void>;
}

const stderrKept = 4_000;
const linesKept = 2_000;

/** Starts programs and ends every one of them, by its process id, whatever happens. */
export class Processes {
  readonly #running = new Map<number, Running>();
  readonly #env: NodeJS.ProcessEnv;
  readonly #broken = Promise.withResolvers<never>();
  readonly patience = new Patience();
  #closed = false;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
    this.broken.catch(() => undefined);
  }

  /** Rejects when a program that should go on has ended by itself. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  /** A program that runs until it is stopped. */
  serve(
    name: string,
    command: string,
    args: readonly string[],
    options: { cwd: string; json?: boolean },
  ): Running {
    const running = this.start(name, command, args, options);
    const ended = (code: number) => {
      if (running instanceof Child && !running.stopping) this.#broken.reject(running.failure(code));
    };
    running.ended.then(ended, (error) => this.#broken.reject(error));
    return running;
  }

  /** A program that ends by itself. */
  start(
    name: string,
    command: string,
    args: readonly string[],
    options: { cwd: string; json?: boolean },
  ): Running {
    if (this.#closed) throw new QuorateError('DEMO_STOPPED', `${name} is not started any more`);
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const running = new Child(name, child, options.json ?? true, this.patience);
    if (child.pid !== undefined) {
      const { pid } = child;
      this.#running.set(pid, running);
      running.ended.finally(() => this.#running.delete(pid)).catch(() => undefined);
    }
    return running;
  }

  /** Runs a program to its end; fails unless it exits with one of `codes`. Its last line of JSON, if any. */
  async run(
    name: string,
    command: string,
    args: readonly string[],
    options: { cwd: string; seconds: number; json?: boolean; codes?: readonly number[] },
  ): Promise<{ code: number; last: Line; text: string }> {
    const running = this.start(name, command, args, options);
    const lines: string[] = [];
    let last: Line = {};
    running.onLine((line) => {
      last = line;
    });
    if (running instanceof Child) running.onText((text) => lines.push(text));
    const code = await this.patience.within(running.ended, options.seconds, `${name} to end`);
    if (!(options.codes ?? [0]).includes(code)) throw running.failure(code);
    return { code, last, text: lines.join('\n') };
  }

  async stopAll(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#running.values()].map((running) => running.stop()));
  }

  /** At once, without waiting. */
  killAll(): void {
    this.#closed = true;
    for (const pid of this.#running.keys()) kill(pid, 'SIGKILL');
  }
}

class Child implements Running {
  readonly name: string;
  readonly ended: Promise<number>;
  stopping = false;
  readonly #child: ChildProcess;
  readonly #patience: Patience;
  readonly #lines: Line[] = [];
  readonly #listeners = new Set<(line: Line) => void>();
  readonly #texts = new Set<(text: string) => void>();
  #stderr = '';

  constructor(name: string, child: ChildProcess, json: boolean, patience: Patience) {
    this.name = name;
    this.#patience = patience;
    this.#child = child;
    this.ended = new Promise((resolve, reject) => {
      child.on('error', (cause) =>
        reject(new QuorateError('DEMO_NOT_STARTED', `${name} did not start`, { cause })),
      );
      child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGKILL' ? 137 : 130)));
    });
    this.ended.catch(() => undefined);
    child.stderr?.on('data', (chunk: Buffer) => {
      patience.moved();
      this.#stderr = (this.#stderr + chunk.toString()).slice(-stderrKept);
    });
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).on('line', (text) => {
      patience.moved();
      for (const listener of this.#texts) listener(text);
      if (json) this.#take(text);
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  #take(text: string): void {
    let line: Line;
    try {
      line = JSON.parse(text);
    } catch {
      return;
    }
    if (this.#lines.length < linesKept) this.#lines.push(line);
    for (const listener of this.#listeners) listener(line);
  }

  onLine(listener: (line: Line) => void): void {
    this.#listeners.add(listener);
  }

  onText(listener: (text: string) => void): void {
    this.#texts.add(listener);
  }

  async line(fits: (line: Line) => boolean, what: string, seconds: number): Promise<Line> {
    return this.#lines.find(fits) ?? this.next(fits, what, seconds);
  }

  async next(fits: (line: Line) => boolean, what: string, seconds: number): Promise<Line> {
    const { promise, resolve } = Promise.withResolvers<Line>();
    const listener = (line: Line) => {
      if (fits(line)) resolve(line);
    };
    this.#listeners.add(listener);
    const ended = this.ended.then((code) => Promise.reject(this.failure(code)));
    try {
      return await this.#patience.within(Promise.race([promise, ended]), seconds, `${this.name}: ${what}`);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  failure(code: number): QuorateError {
    const { error } = (this.#lines.at(-1) ?? {}) as {
      error?: { code: string; message: string; hint?: string };
    };
    if (error !== undefined) {
      const options = error.hint === undefined ? {} : { hint: error.hint };
      return reportedError(error.code, `${this.name}: ${error.message}`, options);
    }
    const said = this.#stderr.trim().split('\n').at(-1) ?? '';
    return new QuorateError(
      'DEMO_PROGRAM_FAILED',
      `${this.name} ended with ${code}: ${escapeLine(said, 400)}`,
    );
  }

  async stop(seconds = 4): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.stopping = true;
    kill(this.pid, 'SIGINT');
    const over = this.ended.then(
      () => true,
      () => true,
    );
    const late = sleep(this.#patience.ms(seconds), false, { ref: false });
    if (await Promise.race([over, late])) return;
    kill(this.pid, 'SIGKILL');
    await over;
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    if (pid > 0) process.kill(pid, signal);
  } catch {
    // It ended meanwhile.
  }
}
