import { Writable } from 'node:stream';
import { createProgram } from '../../../src/cli/program.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import {
  asksForJson,
  asQuorateError,
  errorJson,
  errorText,
  isAnswered,
} from '../../../src/terminal/errors.ts';
import { exitOf, exits } from '../../../src/terminal/exit-codes.ts';
import { type Ended, finished, type Line, started, Told } from './told.ts';

/** Messages of something that runs inside. */
export interface Telling {
  /** Standard output: a line with its end. */
  out(text: string): void;
  err(text: string): void;
  value(value: Line): void;
}

/** Runs until it is done or the signal is aborted, and gives its exit code. */
export type Run = (tell: Telling, signal: AbortSignal) => Promise<number>;

/** Something that could be a process, in the process of the tests: the same network and disk, a twentieth of the processor. */
export class Inside extends Told {
  readonly ended: Promise<Ended>;
  readonly #stop = new AbortController();

  constructor(name: string, run: Run, args: readonly string[] = []) {
    super(name, args);
    started(this);
    let rest = '';
    const tell: Telling = {
      out: (text) => {
        const lines = `${rest}${text}`.split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) this.take(line);
      },
      err: (text) => {
        this.stderr += text;
      },
      value: (value) => this.takeValue(value),
    };
    this.ended = run(tell, this.#stop.signal).then((code) => {
      finished(this);
      this.over();
      return { code, signal: null };
    });
  }

  stop(): Promise<Ended> {
    this.#stop.abort(new DOMException('stopped by the test', 'AbortError'));
    return this.end();
  }
}

/** An error is its last line, as with --json. */
export const tellingErrors =
  (run: Run): Run =>
  (tell, signal) =>
    run(tell, signal).catch((error: unknown) => {
      const known = asQuorateError(error);
      tell.out(errorJson(known));
      return exitOf(known.code);
    });

export interface CommandOptions {
  home: string;
  cwd: string;
  json: boolean;
}

/** `quorate …` without a process of its own: the same commands, answers and exit codes as of `src/cli/main.ts`. */
export function command(args: readonly string[], { home, cwd, json }: CommandOptions): Run {
  return (tell, signal) =>
    commandLine(
      ['--home', home, ...(json ? ['--json'] : []), ...args],
      { cwd, env: process.env },
      tell,
      signal,
    );
}

/** The same as it is typed, where these variables are set. */
export async function commandLine(
  words: readonly string[],
  { cwd, env }: { cwd: string; env: Readonly<Record<string, string | undefined>> },
  tell: Pick<Telling, 'out' | 'err'>,
  signal: AbortSignal,
): Promise<number> {
  let exit: number = exits.done;
  const around = { env, cwd: () => cwd, stdin: {}, stdout: sink(tell.out), stderr: sink(tell.err) };
  const finished = (code: number) => {
    exit = code;
  };
  try {
    await createProgram(signal, finished, around).parseAsync([...words], { from: 'user' });
    return exit;
  } catch (error) {
    if (isAnswered(error)) return exits.done;
    const known = signal.aborted ? stopped(error) : asQuorateError(error);
    if (asksForJson(words)) tell.out(errorJson(known));
    else tell.err(errorText(known));
    return exitOf(known.code);
  }
}

function stopped(error: unknown): QuorateError {
  if (error instanceof QuorateError && error.code === 'CLI_INTERRUPTED') return error;
  return new QuorateError('CLI_INTERRUPTED', 'stopped before it was done');
}

const sink = (take: (text: string) => void): Writable =>
  new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      take(String(chunk));
      done();
    },
  });
