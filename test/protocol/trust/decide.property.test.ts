import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Outcome, type Policy, resultIdOf } from '../../../src/protocol/documents/index.ts';
import { atLeast, type Vote } from '../../../src/protocol/trust/decide.ts';
import { A, B, exit, judge, own, trustedKey, vote } from './votes.ts';

const operators = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay'];
const anyPolicy: fc.Arbitrary<Policy> = fc
  .record({
    of: fc.integer({ min: 1, max: 5 }),
    more: fc.nat(4),
    cosign: fc.constantFrom('required', 'none'),
  })
  .map(({ of, more, cosign }) => {
    const agree = Math.min(of, Math.floor(of / 2) + 1 + more);
    return { agree, of, cosign, rounds: 3 } as Policy;
  });
const files = [{ path: 'app', sha256: 'a'.repeat(64) }];
const otherFiles = [{ path: 'app', sha256: 'e'.repeat(64) }];

const anyVote: fc.Arbitrary<Vote> = fc
  .record({
    operator: fc.constantFrom(...operators),
    machine: fc.nat(1),
    round: fc.integer({ min: 1, max: 3 }),
    slot: fc.nat(5),
    outcome: fc.constantFrom<Outcome>(exit(A), exit(B), exit(null, 1)),
    lists: fc.constantFrom(files, files, files, otherFiles),
    sealed: fc.boolean(),
    index: fc.nat(500),
    enrolled: fc.constantFrom(1, 1, 1, 400),
  })
  .map(({ operator, machine, round, slot, lists, ...rest }) => {
    const key = `${operator}-${machine}`;
    return vote(operator, slot, null, {
      worker: key,
      receipt: `${key}/${rest.index}/${round}/${slot}`,
      round,
      ...rest,
      result: resultIdOf(rest.outcome, lists),
    });
  });
/** A log: every receipt has an index of its own, rounds follow each other, each operator votes once a round. */
const anyLog: fc.Arbitrary<Vote[]> = fc.array(anyVote, { maxLength: 14 }).map((votes) => {
  const seen = new Set<string>();
  const once = votes.filter(
    ({ operator, round }) => !seen.has(`${operator}${round}`) && seen.add(`${operator}${round}`),
  );
  return once
    .sort((a, b) => a.round - b.round)
    .map((v, i) => ({
      ...v,
      index: 10 + i,
      receipt: `${v.worker}/${i}`,
      offerIndex: 9,
      enrolled: v.enrolled % 100,
    }));
});
const ownOf = (artifact: string, lists = files) =>
  own(artifact, { result: resultIdOf(exit(artifact), lists) });
const withOwn = fc
  .tuple(anyLog, fc.option(fc.constantFrom(ownOf(A), ownOf(B), ownOf(A, otherFiles))))
  .map(([log, trusted]) => (trusted === null ? log : [...log, trusted]));

describe('decide, for all evidence', () => {
  it('does not depend on order', () => {
    fc.assert(
      fc.property(
        anyPolicy,
        fc.array(anyVote, { maxLength: 14 }),
        fc.func(fc.nat()),
        (policy, votes, key) => {
          const shuffled = [...votes].sort((a, b) => key(a.receipt) - key(b.receipt));
          const byId = new Map(votes.map((v) => [v.receipt, v]));
          const unique = [...byId.values()];
          expect(
            judge(
              shuffled.filter((v) => byId.get(v.receipt) === v),
              { policy },
            ),
          ).toEqual(judge(unique, { policy }));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('counts duplicates once', () => {
    fc.assert(
      fc.property(anyPolicy, withOwn, (policy, votes) => {
        expect(judge([...votes, ...votes, ...votes], { policy })).toEqual(judge(votes, { policy }));
      }),
      { numRuns: 300 },
    );
  });

  it('never lowers a level for what comes later in the log, a trusted worker apart', () => {
    fc.assert(
      fc.property(anyPolicy, withOwn, fc.nat(14), (policy, votes, cut) => {
        const trusted = votes.filter((v) => v.worker === trustedKey);
        const log = votes.filter((v) => v.worker !== trustedKey);
        const earlier = judge([...log.slice(0, cut), ...trusted], { policy });
        const later = judge([...log, ...trusted], { policy });
        if (earlier.level === 'failed') expect(later.level).toBe('failed');
        else if (later.level !== 'failed') expect(atLeast(later.level, earlier.level)).toBe(true);
        for (const before of earlier.results) {
          const after = later.results.find((s) => s.result === before.result);
          expect(after !== undefined && atLeast(after.level, before.level)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('stands by what N operators first said of a test that nobody co-signs', () => {
    fc.assert(
      fc.property(anyPolicy, anyLog, fc.nat(14), ({ agree, of, rounds }, log, cut) => {
        const given = { policy: { agree, of, rounds, cosign: 'none' }, kind: 'test' } as const;
        const earlier = judge(log.slice(0, cut), given);
        if (earlier.level !== 'trusted' && earlier.level !== 'failed') return;
        expect(judge(log, given)).toMatchObject({ level: earlier.level, result: earlier.result });
      }),
      { numRuns: 1000 },
    );
  });

  it('never lowers a level for anything that arrives after the reveal', () => {
    fc.assert(
      fc.property(anyPolicy, anyLog, fc.array(anyVote, { maxLength: 8 }), (policy, votes, late) => {
        const after = late.map((v, i) => ({ ...v, sealed: false, index: 1000 + i, receipt: `late ${i}` }));
        const before = judge(votes, { policy });
        expect(judge([...votes, ...after], { policy }).level).toBe(before.level);
      }),
      { numRuns: 500 },
    );
  });

  it('never agrees on what fewer than N operators say, however many machines, slots, rounds and tries they have', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anyVote, { maxLength: 30 }), (policy, votes) => {
        const attackers = operators.slice(0, policy.agree - 1);
        // Another tree, or the right one with false hashes of its files.
        for (const [outcome, lists] of [
          [exit('evil'), files],
          [exit(A), [{ path: 'app', sha256: 'evil' }]],
        ] as const) {
          const result = resultIdOf(outcome, lists);
          const evil = votes.map((v) => (attackers.includes(v.operator) ? { ...v, outcome, result } : v));
          const decision = judge(evil, { policy: { ...policy, cosign: 'none' } });
          for (const ranked of decision.results)
            if (ranked.result === result) expect(['none', 'provisional']).toContain(ranked.level);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('never agrees on two results in one round', () => {
    fc.assert(
      fc.property(anyPolicy, fc.array(anyVote, { maxLength: 30 }), (policy, votes) => {
        const agreed = judge(votes, { policy }).results.filter(({ level }) => atLeast(level, 'agreed'));
        expect(new Set(agreed.map(({ round }) => round)).size).toBe(agreed.length);
      }),
      { numRuns: 1000 },
    );
  });

  it('never trusts under cosign: required what the trusted worker did not build', () => {
    fc.assert(
      fc.property(anyPolicy, withOwn, (policy, votes) => {
        const decision = judge(votes, { policy: { ...policy, cosign: 'required' } });
        if (decision.level !== 'trusted') return;
        expect(votes.some((v) => v.worker === trustedKey && v.result === decision.result)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

/**
 * The rules as one sentence, slowly: an artifact is agreed when some N receipts for it exist that are of one round, of N
 * operators, in N slots, sealed and by operators that said nothing else in that round and had no slot before.
 */
function naivelyAgreed(votes: readonly Vote[], artifact: string, n: number): boolean {
  const fit = votes.filter(
    (v) =>
      v.outcome.kind === 'exit' &&
      v.outcome.artifact === artifact &&
      v.sealed &&
      !votes.some((o) => o.operator === v.operator && o.round < v.round) &&
      !votes.some(
        (o) =>
          o.operator === v.operator &&
          o.round === v.round &&
          o.sealed &&
          o.outcome.kind === 'exit' &&
          o.outcome.artifact !== artifact,
      ),
  );
  const choose = (from: readonly Vote[], chosen: readonly Vote[]): boolean => {
    if (chosen.length === n) return true;
    return from.some((v, i) => {
      const apart = chosen.every(
        (c) => c.round === v.round && c.operator !== v.operator && c.slot !== v.slot,
      );
      return apart && choose(from.slice(i + 1), [...chosen, v]);
    });
  };
  return choose(fit, []);
}

describe('decide, exhaustively in a small world', () => {
  it('agrees with the plain statement of the rules', () => {
    const world: Vote[] = [];
    for (const round of [1, 2]) {
      for (const [slot, operator] of ['ada', 'bob', 'cyd'].entries()) {
        for (const artifact of [A, B]) {
          for (const sealed of [true, false]) {
            const index = round * 100 + world.length;
            const receipt = `${operator} ${round} ${artifact} ${sealed}`;
            world.push(vote(operator, slot, artifact, { round, sealed, index, receipt }));
          }
        }
      }
    }
    let agreed = 0;
    let checked = 0;
    const visit = (from: number, votes: readonly Vote[]) => {
      const decision = judge(votes);
      for (const artifact of [A, B]) {
        const level = decision.results.find(({ outcome }) => outcome.artifact === artifact)?.level ?? 'none';
        // In this world every operator has its slot, so that no slot is ever taken by somebody else.
        if (atLeast(level, 'agreed') !== naivelyAgreed(votes, artifact, 2)) {
          expect.fail(`decide says ${level} for ${JSON.stringify(votes)}`);
        }
        if (atLeast(level, 'agreed')) agreed++;
      }
      checked++;
      if (votes.length < 4)
        for (let i = from; i < world.length; i++) visit(i + 1, [...votes, world[i] ?? own(A)]);
    };
    visit(0, []);
    expect(checked).toBeGreaterThan(12_000);
    expect(agreed).toBeGreaterThan(100);
  });
});
