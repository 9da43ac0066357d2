import { sha256 } from '@noble/hashes/sha2.js';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { toUtf8 } from '../src/protocol/base/text.ts';

/** Seeded random numbers. Each purpose takes a fork, so that one more draw in one changes no other. */
export class Random {
  readonly #seed: string;
  readonly #source;

  constructor(seed: string) {
    this.#seed = seed;
    const [a = 0, b = 0, c = 0, d = 0] = sha256(toUtf8(seed));
    this.#source = xoroshiro128plus((a << 24) | (b << 16) | (c << 8) | d);
  }

  fork(purpose: string): Random {
    return new Random(`${this.#seed}/${purpose}`);
  }

  /** A whole number from `from` to `to`, both included. */
  int(from: number, to: number): number {
    return uniformInt(this.#source, from, to);
  }

  chance(probability: number): boolean {
    return probability > 0 && this.int(0, 999_999) < probability * 1_000_000;
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.int(0, from.length - 1)];
    if (picked === undefined) throw new Error('nothing to pick from');
    return picked;
  }

  shuffle<T>(all: readonly T[]): T[] {
    const left = [...all];
    const out: T[] = [];
    while (left.length > 0) out.push(...left.splice(this.int(0, left.length - 1), 1));
    return out;
  }
}
