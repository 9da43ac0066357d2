import { availableParallelism, loadavg } from 'node:os';
import { QuorateError } from '../../src/protocol/base/errors.ts';

declare module '../../src/protocol/base/errors.ts' {
  interface ErrorCodes {
    DEMO_TIMEOUT: string;
  }
}

/** A wait that sees progress all the time ends after this many times what it may take without any. */
const timesMax = 20;
/** A machine on which everything takes longer than this is of no use. */
const slowestTimes = 30;
const lookMs = 500;

interface Clock {
  now(): number;
  /** How many times as long everything takes here as on an idle machine, 1 at least. */
  slowness(): number;
}

/** Of the last minute: what is ready to run for each processor. */
const host: Clock = {
  now: () => performance.now(),
  slowness: () => Math.min(slowestTimes, Math.max(1, (loadavg()[0] ?? 1) / availableParallelism())),
};

/** Waits that go on while something moves: a fixed time fails where a machine is slow, and not where something hangs. */
export class Patience {
  readonly #clock: Clock;
  #movedAt: number;

  constructor(clock: Clock = host) {
    this.#clock = clock;
    this.#movedAt = clock.now();
  }

  /** Some process has said something. */
  moved(): void {
    this.#movedAt = this.#clock.now();
  }

  /** So many seconds of an idle machine, in milliseconds of this one. */
  ms(seconds: number): number {
    return seconds * 1000 * this.#clock.slowness();
  }

  /** A check that throws once nothing has moved for so many seconds, of an idle machine, since it was made. @throws {QuorateError} DEMO_TIMEOUT */
  wait(seconds: number, what: string): () => void {
    const began = this.#clock.now();
    return () => {
      const now = this.#clock.now();
      const quietMs = this.ms(seconds);
      const isQuiet = now - Math.max(began, this.#movedAt) > quietMs;
      if (!isQuiet && now - began <= quietMs * timesMax) return;
      const waited = Math.round((now - began) / 1000);
      const why = isQuiet ? `, and nothing moved for ${Math.round(quietMs / 1000)} s` : '';
      throw new QuorateError('DEMO_TIMEOUT', `waited ${waited} s for ${what}${why}`, {
        hint: 'Try again when this machine has less to do; --keep leaves what the processes wrote.',
      });
    };
  }

  /** The result of the promise, unless the wait for it is given up. @throws {QuorateError} DEMO_TIMEOUT */
  async within<T>(promise: Promise<T>, seconds: number, what: string): Promise<T> {
    const check = this.wait(seconds, what);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setInterval(() => {
        try {
          check();
        } catch (error) {
          reject(error);
        }
      }, lookMs);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearInterval(timer);
    }
  }
}
