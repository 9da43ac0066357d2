import { Writable } from 'node:stream';
import { Command } from 'commander';
import { verbs } from '../../../src/cli/commands/index.ts';
import type { Act } from '../../../src/cli/context.ts';
import { asQuorateError, errorJson, errorText, exitOfError } from '../../../src/cli/errors.ts';
import { exits } from '../../../src/cli/exit-codes.ts';
import { Output } from '../../../src/cli/output.ts';
import { QuorateError } from '../../../src/core/errors.ts';
import { type Ended, finished, type Line, started, Told } from './told.ts';

/** What something that runs inside tells. */
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

export interface CommandOptions {
  home: string;
  cwd: string;
  json: boolean;
}

/** `quorate …` without a process of its own: the same commands, answers and exit codes as of `src/cli/main.ts`. */
export function command(args: readonly string[], { home, cwd, json }: CommandOptions): Run {
  return async (tell, signal) => {
    const out = new Output(sink(tell.out), sink(tell.err), { json, colour: false });
    const context = { home, homeGiven: true, cwd, out, signal, interactive: false };
    let exit: number = exits.done;
    const act = ((run: (...all: unknown[]) => Promise<number> | number) =>
      async (...given: unknown[]) => {
        // Commander passes the command last.
        exit = await run(context, ...given.slice(0, -1));
      }) as Act;
    const program = new Command('quorate').exitOverride().configureOutput({ outputError: () => undefined });
    for (const define of verbs) define(program, act);
    try {
      await program.parseAsync([...args], { from: 'user' });
      return exit;
    } catch (error) {
      const known = signal.aborted ? stopped(error) : asQuorateError(error);
      if (json) tell.out(errorJson(known));
      else tell.err(errorText(known));
      return exitOfError(known);
    }
  };
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
