import { describe, expect, it } from 'vitest';
import type { Memory, Scheme } from '../../../simulations/attackers/karma/scheme.ts';
import {
  agreement,
  boinc,
  credibilityOf,
  doubleVote,
  groupCredibility,
  sarmenta,
} from '../../../simulations/attackers/karma/scheme.ts';
import { yearOf } from '../../../simulations/attackers/karma/year.ts';
import { usualAlone } from '../../../simulations/attackers/policies.ts';
import { Random } from '../../../simulations/random.ts';

const random = new Random('karma');

/** A job that goes to these hosts; those in `wrong` build something else, alike. */
function once(memory: Memory, hosts: readonly number[], wrong: readonly number[] = []) {
  const left = [...hosts];
  const build = (host: number) => (wrong.includes(host) ? 'tampered' : 'honest');
  return memory.run({ next: () => left.shift(), build }, random, true);
}

describe('adaptive replication', () => {
  it('believes a host alone after ten confirmed results, and no more after a wrong one', () => {
    const memory = boinc.fresh(4);
    for (let n = 0; n < 10; n++) expect(once(memory, [0, 1, 2]).builds).toBe(2);
    const alone = Array.from({ length: 20 }, () => once(memory, [0, 2, 3]).builds === 1);
    expect(alone.filter(Boolean).length).toBeGreaterThan(10);
    // Believed until a job of it is compared, and then a newcomer again.
    expect(Array.from({ length: 200 }, () => once(memory, [0, 2, 3], [0]).result)).toContain('tampered');
    expect(once(memory, [0, 2, 3], [0])).toEqual({ result: 'honest', builds: 3 });
    memory.replace(1);
    expect(once(memory, [1, 2]).builds).toBe(2);
  });
});

describe('credibility', () => {
  it('is the assumed honest share at first, and grows with each spot-check', () => {
    expect(
      [credibilityOf(0), credibilityOf(1), credibilityOf(10)].map((one) => Number(one.toFixed(4))),
    ).toEqual([0.8, 0.908, 0.9908]);
  });

  it('of groups of results is conditional on at most one of them being right', () => {
    expect(groupCredibility([[0.8, 0.8]]).map((one) => Number(one.toFixed(4)))).toEqual([0.9412]);
    const [two = 0, single = 0] = groupCredibility([[0.8, 0.8], [0.8]]);
    expect(Number(two.toFixed(4))).toBe(0.7619);
    expect(two + single).toBeLessThan(1);
  });

  it('needs more hosts while they are unknown', () => {
    const memory = sarmenta.fresh(8);
    expect(once(memory, [0, 1, 2, 3, 4, 5]).builds).toBeGreaterThan(3);
  });
});

describe('a double vote', () => {
  it('outweighs two newcomers after twenty accepted results', () => {
    const memory = doubleVote.fresh(8);
    for (let n = 0; n < 20; n++) once(memory, [0, 1, 2]);
    // Two votes against two: a fourth host decides.
    expect(once(memory, [0, 5, 6, 7], [0]).builds).toBe(4);
    expect(once(memory, [0, 5, 6], [0])).toEqual({ result: 'honest', builds: 3 });
  });
});

describe('a year of good behaviour', { timeout: 60_000 }, () => {
  const gain = (scheme: Scheme) => {
    const { pays } = yearOf(scheme, 0.2, 'karma test');
    return (pays.at(-1) ?? 0) / (pays[0] ?? 0);
  };

  it('pays under adaptive replication and credibility, and not where nothing is remembered', () => {
    expect(gain(boinc)).toBeGreaterThan(1.5);
    expect(gain(sarmenta)).toBeGreaterThan(20);
    expect(gain(agreement(usualAlone))).toBeLessThan(1.3);
  });
});
