import { setTimeout as sleep } from 'node:timers/promises';

/** Device status report (DSR 5), which all terminals answer, after the answers to earlier queries. */
const question = '\x1b[5n';
const answer = '\x1b[0n';
/** Longest wait for the answer. */
const answerMsMax = 2_000;
/** Silence after an answer, which may be to an earlier query of the same kind. */
const quietMs = 200;
/** Longest time in all, also while the user types. */
const allMsMax = 5_000;
const lookMs = 20;

/** A steady clock, in milliseconds. */
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

  /** Takes input from the terminal, which is discarded. */
  heard(chunk: Buffer): void {
    this.#lastAt = this.#clock.now();
    this.#tail = (this.#tail + chunk.toString('latin1')).slice(-1024);
    if (this.#tail.includes(answer)) this.#answered = true;
  }

  /** Resolves when no more answers are expected. */
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
