import { describe, expect, it } from 'vitest';
import { allCheckers } from '../../simulations/checkers/index.ts';
import type { Checker } from '../../simulations/observer.ts';
import type { Operator } from '../../simulations/scenario.ts';
import type { Patches } from '../../simulations/world.ts';
import { allRuns } from '../../src/controller/machine/state.ts';
import { ownVersion, type PeerVersion } from '../../src/protocol/wire/peer-version.ts';
import { expectClean, range } from './seeds.ts';

/** That a seed goes the same way twice, other tests prove (faults.test.ts). */
const once = true as const;
const operators = Array.from(
  { length: 5 },
  (_, n): Operator => ({ name: `op${n}`, hosts: [`op${n}`], behaviour: 'honest', joinsLate: false }),
);
const scenario = { operators, attackerShare: 'nobody', trusted: 'there', revokes: undefined } as const;

/** Workers whose keys `isOlder` picks state this version; JSON leaves out none. */
const older =
  (isOlder: (key: string) => boolean, version?: PeerVersion): (() => Patches) =>
  () => ({
    workerPorts: (ports) =>
      isOlder(ports.signing.signer.id) ? { ...ports, version: version as PeerVersion } : ports,
  });

/** Keeps how each run ended. */
function endsIn(ends: string[]): Checker {
  return {
    invariant: 'ends',
    observe(seen) {
      if (seen.kind !== 'ended') return;
      for (const { phase } of allRuns(seen.state))
        ends.push(phase.kind === 'cancelled' ? phase.reason : phase.kind);
    },
  };
}

/** Each with so many seeds. */
export function olderWorkers(count: number): void {
  describe('with workers that state no version', () => {
    it('of all operators every run ends, and says whom it is for', async () => {
      const all = () => true;
      const ends: string[] = [];
      const options = {
        scenario,
        once,
        patches: older(all),
        checkers: () => [...allCheckers(), endsIn(ends)],
      };
      expect(await expectClean(range(40, count), options)).toEqual([]);
      const named = ends.filter((end) =>
        /^only older workers could take it.*\(states no version\)$/.test(end),
      );
      expect(named.length).toBeGreaterThan(ends.length / 2);
      expect(ends).not.toContain('done');
    });

    it('of some the others build', async () => {
      const some = (key: string) => key.charCodeAt(key.length - 1) % 4 === 0;
      expect(await expectClean(range(50, count), { scenario, patches: older(some), once })).toContain(
        'trusted',
      );
    });
  });

  describe('with workers below the least version of the charter', () => {
    const below = ownVersion('0.9.0');
    const under = (isOlder: (key: string) => boolean) => () => ({
      ...older(isOlder, below)(),
      leastWorker: '0.9.1',
    });

    it('of all operators every run ends, and says whom it is for', async () => {
      const all = () => true;
      const ends: string[] = [];
      const patches = under(all);
      const checkers = () => [...allCheckers(), endsIn(ends)];
      expect(await expectClean(range(40, count), { scenario, patches, checkers, once })).toEqual([]);
      const named = ends.filter((end) => /^only older workers could take it.*\(0\.9\.0\)$/.test(end));
      expect(named.length).toBeGreaterThan(ends.length / 2);
      expect(ends).not.toContain('done');
    });

    it('of some the others build, whose version is above it', async () => {
      const some = (key: string) => key.charCodeAt(key.length - 1) % 4 === 0;
      const patches = under(some);
      expect(await expectClean(range(50, count), { scenario, patches, once })).toContain('trusted');
    });
  });
}
