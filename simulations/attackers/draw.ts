import { shareAround } from '../../src/controller/machine/rounds/open-round.ts';
import { drawOf, fullShare, shareAt } from '../../src/protocol/trust/draw.ts';

const widenMs = 2_000;

/**
 * The operators with the lowest draws under a seed, lowest first, as indices of `names`. As in an offer, the share of those who
 * may claim begins small and doubles until `count` have claimed, or all have.
 */
export function lowestDraws(names: readonly string[], seed: string, count: number): number[] {
  const draws = names.map((name) => drawOf(name, seed));
  const first = shareAround(names.length, count);
  for (let doublings = 0; ; doublings++) {
    const share = shareAt({ seed, share: first, widenMs }, doublings * widenMs);
    const claims: number[] = [];
    for (let n = 0; n < draws.length; n++) if ((draws[n] ?? 0) < share) claims.push(n);
    if (claims.length < count && share < fullShare) continue;
    return claims.sort((a, b) => (draws[a] ?? 0) - (draws[b] ?? 0)).slice(0, count);
  }
}

/** Operators that a run may ask in one round: seven slots, each leased four times. */
const askedMax = 28;

/**
 * Draws for many runs among `size` operators. Of a large population each seed serves a burst of runs: those who build for one
 * are busy for the next, so that each gets the lowest draws that are left. At most a tenth of the operators are busy so.
 */
export class Draws {
  readonly size: number;
  readonly #groups: number[][] = [];

  constructor(size: number, groups: number, seed: string) {
    this.size = size;
    const names = Array.from({ length: size }, (_, n) => `operator ${n}`);
    const burst = Math.max(1, Math.floor(size / 10 / askedMax));
    for (let n = 0; this.#groups.length < groups; n++) {
      const lowest = lowestDraws(names, `${seed} ${size} ${n}`, burst * askedMax);
      for (let at = 0; at < burst && this.#groups.length < groups; at++)
        this.#groups.push(lowest.slice(at * askedMax, (at + 1) * askedMax));
    }
  }

  /** The operators that a round would ask, in order. Another number is another seed. */
  group(n: number): readonly number[] {
    return this.#groups[n % this.#groups.length] ?? [];
  }

  /** The operators under the nth other seed for a job: another selection of seeds for each job. */
  another(job: number, n: number): readonly number[] {
    return this.group(job + n * (2 * job + 1));
  }

  get count(): number {
    return this.#groups.length;
  }
}
