import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Tier, tierWithTerminal } from '../../../sandbox/types.ts';
import { QuorateError } from '../../protocol/base/errors.ts';
import type { Context } from '../../terminal/context.ts';
import type { InteractiveTerminal, Trial, TrialResult } from '../trial/trial.ts';

/** Device status report (DSR 5), which all terminals answer, after the answers to earlier queries. */
const question = '\x1b[5n';
const answer = '\x1b[0n';
const answerMsMax = 2_000;
/** Silence after an answer, which may be to an earlier query of the same kind. */
const quietMs = 200;
/** Longest time in all, also while the user types. */
const allMsMax = 5_000;
const lookMs = 20;

interface Clock {
  now(): number;
  sleep(ms: number): Promise<unknown>;
}
const hostClock: Clock = { now: () => performance.now(), sleep };

/** Discards answers of the terminal to queries of the sandbox. */
export class TerminalAnswers {
  readonly #clock: Clock;
  #tail = '';
  #answered = false;
  #lastAt: number;

  constructor(clock: Clock = hostClock) {
    this.#clock = clock;
    this.#lastAt = clock.now();
  }

  heard(chunk: Buffer): void {
    this.#lastAt = this.#clock.now();
    this.#tail = (this.#tail + chunk.toString('latin1')).slice(-1024);
    if (this.#tail.includes(answer)) this.#answered = true;
  }

  async over(write: (text: string) => void): Promise<void> {
    const began = this.#clock.now();
    write(question);
    for (let now = began; now - began < allMsMax; now = this.#clock.now()) {
      const isAnswered = this.#answered || now - began >= answerMsMax;
      if (isAnswered && now - Math.max(began, this.#lastAt) >= quietMs) return;
      await this.#clock.sleep(lookMs);
    }
  }
}

/** Ctrl-]: pressed several times in a row it leaves a shell that does not react. */
const leaveKey = 0x1d;
const leaveTimes = 3;
/** Resets screen, scroll region, keys, cursor, colours, mouse reports and bracketed paste. */
const resetSequence =
  '\x1b[?1049l\x1b7\x1b[r\x1b8\x1b[?1000;1002;1003;1004;1006;2004l\x1b[?1l\x1b>\x1b[?7h\x1b[?25h\x1b[0m\x1b(B\r';

const isTerminalType = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/;

/** Checks that a tier has a terminal, before it is probed. @throws {QuorateError} `TRY_NO_SHELL` */
export function checkTier(tier: Tier = tierWithTerminal): void {
  if (tier === tierWithTerminal) return;
  throw new QuorateError('TRY_NO_SHELL', `the sandbox ${tier} has no terminal for a person`, {
    hint: `Use the tier that has one: --tier ${tierWithTerminal}`,
  });
}

/** @throws {QuorateError} `CLI_USAGE` unless input and output are a terminal */
export function checkTerminal(json: boolean): void {
  if (!json && process.stdin.isTTY && process.stdout.isTTY) return;
  throw new QuorateError('CLI_USAGE', 'a shell needs a terminal to type in', {
    hint: 'Run it in a terminal, without a pipe or a file for its input and output, and without --json.',
  });
}

/** Runs a shell in the sandbox. All keys, Ctrl-C included, go to it, and its raw output to the terminal, which is reset at the end. */
export async function shellIn(
  trial: Trial,
  { signal, env }: Pick<Context, 'signal' | 'env'>,
): Promise<TrialResult> {
  const { stdin, stdout } = process;
  const [keys, sizes] = [new PassThrough(), new PassThrough()];
  const leave = new AbortController();
  let left = 0;
  /** Answers of the terminal to queries of the sandbox must not reach the user's own shell. */
  const answers = new TerminalAnswers();
  let over = false;
  const onKeys = (chunk: Buffer): void => {
    if (over) return answers.heard(chunk);
    for (const byte of chunk) {
      left = byte === leaveKey ? left + 1 : 0;
      if (left === leaveTimes) leave.abort();
    }
    if (keys.write(chunk)) return;
    stdin.pause();
    keys.once('drain', () => stdin.resume());
  };
  const onResize = (): void => void sizes.write(`${stdout.rows} ${stdout.columns}\n`);
  const restore = (): void => {
    stdin.setRawMode(false);
  };
  const type = env.TERM ?? '';
  const terminal: InteractiveTerminal = {
    keys,
    sizes,
    window: { rows: stdout.rows, columns: stdout.columns },
    type: isTerminalType.test(type) ? type : 'dumb',
  };
  process.once('exit', restore);
  stdin.setRawMode(true);
  stdin.on('data', onKeys);
  stdout.on('resize', onResize);
  try {
    return await trial.shell(terminal, (chunk) => void stdout.write(chunk), leave.signal);
  } finally {
    over = true;
    stdin.resume();
    stdout.write(resetSequence);
    if (!signal.aborted) await answers.over((text) => stdout.write(text));
    stdin.off('data', onKeys);
    stdout.off('resize', onResize);
    restore();
    stdin.pause();
    process.off('exit', restore);
    keys.destroy();
    sizes.destroy();
  }
}
