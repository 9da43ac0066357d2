import { setTimeout as sleep } from 'node:timers/promises';

/** "How are you?", which every terminal since the VT100 answers, after whatever it was asked before. */
const question = '\x1b[5n';
const answer = '\x1b[0n';
/** One far away answers within this, and one that knows no questions is waited for no longer. */
const answerMsMax = 2_000;
/** What was asked may have been the same question: after an answer it has to be silent for this long, too. */
const quietMs = 200;
/** Somebody who keeps typing is listened to again after this. */
const allMsMax = 5_000;
const lookMs = 20;

/** Takes what a terminal still says to questions that others asked through it. */
export class TerminalAnswers {
  #tail = '';
  #answered = false;
  #lastAt = performance.now();

  /** What the terminal says; it goes nowhere else. */
  heard(chunk: Buffer): void {
    this.#lastAt = performance.now();
    this.#tail = (this.#tail + chunk.toString('latin1')).slice(-1024);
    if (this.#tail.includes(answer)) this.#answered = true;
  }

  /** Ends when nothing more is to come, as far as can be known. */
  async over(write: (text: string) => void): Promise<void> {
    const began = performance.now();
    write(question);
    for (let now = began; now - began < allMsMax; now = performance.now()) {
      const isAnswered = this.#answered || now - began >= answerMsMax;
      if (isAnswered && now - Math.max(began, this.#lastAt) >= quietMs) return;
      await sleep(lookMs);
    }
  }
}
