import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Verification, verifyBundle } from '../../src/protocol/trust/index.ts';
import { verifyBy } from '../../src/protocol/trust/verify.ts';
import * as them from '../support/project.ts';
import { verifier } from './asked-once.ts';
import { powers } from './powers.ts';
import { honestProject, type Plan, rebuiltPlans } from './rebuilt.ts';

const table = readFileSync(new URL('../../docs/threat-model.md', import.meta.url), 'utf8');

/** Names of facts that are other than the honest ones; ids of documents left out, which any change changes. */
function changedFacts({ facts }: Verification, { facts: honest }: Verification): string {
  const told = (of: Verification['facts']) => {
    if (of === null) throw new Error('a verification that holds has facts');
    const { request: _request, dissent, ...rest } = of;
    return { ...rest, dissent: dissent.map(({ operator, outcome }) => ({ operator, outcome })) };
  };
  const [now, was] = [told(facts), told(honest)];
  return (Object.keys(was) as (keyof typeof was)[])
    .filter((name) => JSON.stringify(now[name]) !== JSON.stringify(was[name]))
    .join();
}

export interface RebuiltOptions {
  /** 1 tries each change of a document; changes of several documents are all tried. */
  every: number;
  refusedMin: number;
}

/** The holder of a key makes the whole chain again. It is refused, or in the power of that key. */
export function rebuiltMutation({ every, refusedMin }: RebuiltOptions): void {
  let truth: Verification;
  let plans: Plan[];

  beforeAll(async () => {
    truth = await verifyBundle((await honestProject()).bundle, { project: them.project }, verifier);
    plans = (await rebuiltPlans()).filter(({ group }, n) => n % every === 0 || group.endsWith(': whole'));
  });

  describe('a chain made again by whoever holds a key', () => {
    it('is trusted, with its dissent, as honest people make it', () => {
      expect(truth).toMatchObject({ ok: true, level: 'trusted', code: null });
      expect(truth.facts?.dissent).toHaveLength(1);
    });

    it('is refused, or comes to what the threat model says of that key', async () => {
      const faults: string[] = [];
      const used = new Set<unknown>();
      let refused = 0;
      for (const plan of plans) {
        for (const { group, field, bundle } of await plan.make(verifier)) {
          const result =
            bundle === undefined
              ? undefined
              : await verifyBundle(bundle, { project: them.project }, verifier);
          if (result?.ok !== true) {
            refused++;
            continue;
          }
          const reached = `${result.level} ${changedFacts(result, truth)}`;
          if (reached === 'trusted ') continue;
          const what = `${group}: ${field}`;
          const power = powers.find((one) => one.what.test(what) && one.is.test(reached));
          if (power === undefined) faults.push(`${what}: ${reached}`);
          used.add(power);
        }
      }
      const idle = powers.filter((power) => every === 1 && !used.has(power)).map(({ what }) => String(what));
      expect({ faults, idle }).toEqual({ faults: [], idle: [] });
      expect(refused).toBeGreaterThan(refusedMin);
    });

    it('control: where files are no part of a vote, a false hash that N workers state is trusted', async () => {
      const hashes = (await rebuiltPlans()).filter(
        ({ group, field }) => group.endsWith(': stated receipt') && /^subject\.1\.digest/.test(field),
      );
      expect(hashes).toHaveLength(1);
      for (const { bundle } of (await Promise.all(hashes.map(({ make }) => make(verifier)))).flat()) {
        if (bundle === undefined) throw new Error('a receipt can say that');
        const cosigned = await them.cosign(bundle, them.trusted);
        const verified = (off: string[]) =>
          verifyBy(new Set(off), 'whole', cosigned, { project: them.project }, verifier);
        expect((await verified([])).ok).toBe(false);
        const control = await verified(['VERDICT_SUBJECTS_MISMATCH']);
        expect(`${control.level} ${changedFacts(control, truth)}`).toMatch(/^trusted .*files/);
      }
    });

    it.each(powers)('$what is in the threat model', ({ row }) => expect(table).toContain(row));
  });
}
