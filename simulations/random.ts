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

  /** The numbers from 0 to `count` - 1 in any order. */
  shuffled(count: number): Uint32Array {
    const order = Uint32Array.from({ length: count }, (_, n) => n);
    for (let n = count - 1; n > 0; n--) {
      const other = this.int(0, n);
      [order[n], order[other]] = [order[other] ?? 0, order[n] ?? 0];
    }
    return order;
  }

  shuffle<T>(all: readonly T[]): T[] {
    const left = [...all];
    const out: T[] = [];
    while (left.length > 0) out.push(...left.splice(this.int(0, left.length - 1), 1));
    return out;
  }
}
