import { beforeAll, describe, expect, it } from 'vitest';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { type Bundle, decodeBundle, encodeBundle } from '../../src/protocol/documents/index.ts';
import { type Verification, verifyBundle } from '../../src/protocol/trust/index.ts';
import * as them from '../support/project.ts';
import { verifier } from './asked-once.ts';
import type { Mutant } from './mutants.ts';
import { neutral, rulings } from './rulings.ts';
import { bundleMutants, byteMutants, checkpointMutants, messageMutants, statementMutants } from './spoil.ts';

const ruleOf = (what: string) => [...neutral, ...rulings].find(({ what: pattern }) => pattern.test(what));

/** Of a kind of change that there are very many of, one in `every`; of the others all. */
function choose(all: readonly Mutant[], every: number): Mutant[] {
  const kinds = Map.groupBy(all, ({ group, field }) => ruleOf(`${group}: ${field}`));
  return [...kinds.values()].flatMap((kind) =>
    kind.length > fewMax ? kind.filter((_, i) => i % every === 0) : kind,
  );
}
const fewMax = 40;

export interface MutationOptions {
  /** 1 judges each mutant. */
  every: number;
  /** How many must be refused. */
  refusedMin: number;
}

/** Each mutant of a bundle is refused with the code of the part that was changed. */
export function mutation({ every, refusedMin }: MutationOptions): void {
  let valid: Bundle;
  let truth: Verification;
  let mutants: Mutant[];

  beforeAll(async () => {
    const made = await them.makeProject({
      runs: [
        { operator: 'ada', builds: 'first' },
        { operator: 'eve', builds: 'evil' },
        { operator: 'cyd', round: 2 },
        { operator: 'dan', round: 2 },
        { operator: 'fay', round: 2, builds: 'evil' },
      ],
      own: { operator: 'owner', round: 2, slot: 'trusted' },
    });
    valid = made.bundle;
    truth = await verifyBundle(valid, { project: them.project }, verifier);
    const operators = ['ada', 'eve', 'cyd', 'dan', 'fay'].map((name) => them.workerKey(name));
    const keys = [them.root, them.controller, them.idp, them.log, them.publisher, them.trusted, ...operators];
    const all = [
      ...bundleMutants(valid),
      ...byteMutants(encodeBundle(valid), 300),
      ...(await messageMutants(valid, keys, them.testKey('mallory'))),
      ...(await statementMutants(valid, keys, them.testKey('mallory'))),
      ...(await checkpointMutants(made, them.log, them.testKey('mallory'))),
    ];
    mutants = choose(all, every);
  });

  /** `step CODE` where it is refused. */
  async function judge(changed: Mutant['changed']): Promise<string> {
    let bundle: Bundle;
    try {
      bundle = typeof changed === 'string' ? decodeBundle(changed) : changed;
    } catch (error) {
      if (!(error instanceof QuorateError)) throw error;
      return `bundle ${error.code}`;
    }
    const result = await verifyBundle(bundle, { project: them.project }, verifier);
    if (!result.ok) return `${result.steps.at(-1)?.step} ${result.code}`;
    return JSON.stringify(result) === JSON.stringify(truth) ? 'neutral' : 'ACCEPTED';
  }

  describe('a bundle of two rounds, dissent and a co-signature', () => {
    it('is trusted as it is', () => {
      expect(truth).toMatchObject({ ok: true, level: 'trusted', code: null });
      expect(truth.facts?.dissent).toHaveLength(3);
    });

    it('is refused with the code of what was changed, whatever is changed, or it is known why not', async () => {
      const faults: string[] = [];
      const seen = new Map<unknown, Set<string>>();
      let neutrals = 0;
      for (const { group, field, changed } of mutants) {
        const verdict = await judge(changed);
        const what = `${group}: ${field}`;
        const harmless = neutral.find(({ what: pattern }) => pattern.test(what));
        const ruling =
          harmless === undefined ? rulings.find(({ what: pattern }) => pattern.test(what)) : undefined;
        const rule = harmless ?? ruling;
        seen.set(rule, (seen.get(rule) ?? new Set()).add(verdict));
        if (harmless !== undefined) neutrals += verdict === 'neutral' ? 1 : 0;
        const wanted = harmless === undefined ? (ruling?.is ?? []) : ['neutral', ...(harmless.or ?? [])];
        if (!wanted.includes(verdict)) faults.push(`${what}: ${verdict}, not ${wanted.join(' or ')}`);
      }
      const idle = [...neutral, ...rulings].filter((rule) => !seen.has(rule)).map(({ what }) => String(what));
      // Where a changed byte falls is chance; elsewhere each code that a ruling names must come up.
      const unseen = rulings
        .filter(({ what }) => !what.test('byte: '))
        .flatMap((rule) =>
          rule.is.filter((code) => !seen.get(rule)?.has(code)).map((code) => `${rule.what}: ${code}`),
        );
      expect({ faults: faults.slice(0, 40), count: faults.length, idle, unseen }).toEqual({
        faults: [],
        count: 0,
        idle: [],
        unseen: [],
      });
      expect(mutants.length - neutrals).toBeGreaterThan(refusedMin);
    });
  });
}
