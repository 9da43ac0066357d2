import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Asked,
  type Entry,
  type Known,
  planStore,
  type Retention,
  roomForAsked,
} from '../../../src/store-node/machine/plan.ts';

const now = 1_000_000;
const tree = fc.integer({ min: 0, max: 11 }).map((n) => `tree${n}`);
const entry: fc.Arbitrary<Entry> = fc.record({
  run: fc.integer({ min: 0, max: 10_000 }).map((n) => `run${n}`),
  tree,
  repo: fc.constant('https://git.example/a'),
  ref: fc.constantFrom('refs/heads/main', 'refs/heads/topic', 'refs/tags/v1'),
  name: fc.constantFrom('build', 'docs'),
  level: fc.constantFrom('trusted' as const, 'agreed' as const),
  decidedAt: fc.integer({ min: 0, max: now }),
});
const retention: fc.Arbitrary<Retention> = fc.record({
  quotaBytes: fc.integer({ min: 0, max: 400 }),
  latest: fc.integer({ min: 0, max: 2 }),
  rules: fc.constantFrom(
    [{ ageMs: null }],
    [
      { ref: 'refs/tags/*', ageMs: null },
      { level: 'agreed' as const, ageMs: 1_000 },
      { ref: 'refs/heads/main', ageMs: 400_000 },
    ],
    [],
  ),
});
const entries = fc.uniqueArray(entry, { maxLength: 20, selector: ({ run }) => run });
const sizes = fc.uniqueArray(fc.tuple(tree, fc.integer({ min: 1, max: 150 })), {
  selector: ([one]) => one,
  maxLength: 12,
});
const known: fc.Arbitrary<Known> = fc
  .record({ entries, sizes })
  .map(({ entries, sizes }) => ({ entries, asked: [], bytes: new Map(sizes), larger: new Map() }));

const used = ({ bytes }: Known, trees: readonly string[]) =>
  trees.reduce((sum, one) => sum + (bytes.get(one) ?? 0), 0);

/** The trees that are here after a plan was carried out. */
function applied(before: Known, keep: readonly string[]): Known {
  return { ...before, bytes: new Map(keep.map((one) => [one, before.bytes.get(one) ?? 0])) };
}

describe('the plan of a store', () => {
  it('keeps within the quota what the rules name, and says of each tree whether it stays', () => {
    fc.assert(
      fc.property(known, retention, (given, rules) => {
        const plan = planStore(given, rules, now);
        expect(used(given, plan.keep)).toBeLessThanOrEqual(rules.quotaBytes);
        const said = [...plan.keep, ...plan.drop.map(({ tree }) => tree)].sort();
        expect(said).toEqual([...given.bytes.keys()].sort());
        const named = new Set(given.entries.map(({ tree }) => tree));
        expect(plan.keep.filter((one) => !named.has(one))).toEqual([]);
        for (const { tree, maxBytes } of plan.missing) {
          expect(given.bytes.has(tree)).toBe(false);
          expect(maxBytes).toBeLessThanOrEqual(rules.quotaBytes);
        }
      }),
    );
  });

  it('is the same in whatever order the verdicts came, and changes nothing when it is repeated', () => {
    fc.assert(
      fc.property(known, retention, fc.nat(), (given, rules, turn) => {
        const plan = planStore(given, rules, now);
        const at = given.entries.length === 0 ? 0 : turn % given.entries.length;
        const turned = [...given.entries.slice(at), ...given.entries.slice(0, at)].reverse();
        expect(planStore({ ...given, entries: turned }, rules, now)).toEqual(plan);
        const after = planStore(applied(given, plan.keep), rules, now);
        expect(after.keep).toEqual(plan.keep);
        expect(after.drop).toEqual([]);
      }),
    );
  });

  it('drops no trusted tree for want of room while an agreed one stays that is nothing else', () => {
    fc.assert(
      fc.property(known, retention, (given, rules) => {
        const { keep, drop } = planStore(given, rules, now);
        const ofTrusted = new Set(
          given.entries.filter(({ level }) => level === 'trusted').map(({ tree }) => tree),
        );
        const forRoom = drop.filter(
          ({ tree, why }) => why === 'quota' && (given.bytes.get(tree) ?? 0) <= rules.quotaBytes,
        );
        // One that no rule keeps as trusted may be here as agreed.
        const trustedOnly = { ...given, entries: given.entries.filter(({ level }) => level === 'trusted') };
        const wanted = new Set(planStore(trustedOnly, { ...rules, quotaBytes: 1e9 }, now).keep);
        if (forRoom.some(({ tree }) => wanted.has(tree)))
          expect(keep.filter((one) => !ofTrusted.has(one))).toEqual([]);
      }),
    );
  });

  it('keeps with a larger quota what it kept with a smaller one', () => {
    fc.assert(
      fc.property(known, retention, fc.nat(200), (given, rules, more) => {
        // A tree that fits into no smaller quota may be worth more than all others.
        fc.pre([...given.bytes.values()].every((bytes) => bytes <= rules.quotaBytes));
        const larger = planStore(given, { ...rules, quotaBytes: rules.quotaBytes + more }, now);
        const { keep } = planStore(given, rules, now);
        expect(keep.filter((one) => !larger.keep.includes(one))).toEqual([]);
      }),
    );
  });

  it('holds what a controller asked for until its time is over, and takes no room of trusted trees for it', () => {
    fc.assert(
      fc.property(known, retention, fc.integer({ min: 1, max: 400 }), (given, rules, bytes) => {
        const before = planStore(given, rules, now);
        const standing = applied(given, before.keep);
        fc.pre(bytes <= roomForAsked(standing, rules, now));
        const asked: Asked[] = [{ tree: 'asked', until: now + 1 }];
        const with_ = { ...standing, asked, bytes: new Map([...standing.bytes, ['asked', bytes]]) };
        const after = planStore(with_, rules, now);
        expect(after.keep[0]).toBe('asked');
        expect(used(with_, after.keep)).toBeLessThanOrEqual(rules.quotaBytes);
        const trusted = { ...standing, entries: given.entries.filter(({ level }) => level === 'trusted') };
        const ofTrusted = planStore(trusted, rules, now).keep.filter((one) => before.keep.includes(one));
        expect(ofTrusted.filter((one) => !after.keep.includes(one))).toEqual([]);
        // And not a moment longer.
        expect(planStore(with_, rules, now + 1).keep).not.toContain('asked');
      }),
    );
  });
});

describe('the plan of a store', () => {
  const one = (run: string, level: Entry['level'], decidedAt: number, ref = 'refs/heads/main'): Entry => ({
    run,
    tree: `tree-${run}`,
    repo: 'r',
    ref,
    name: 'build',
    level,
    decidedAt,
  });
  const all = [
    one('old-trusted', 'trusted', 10),
    one('new-trusted', 'trusted', 20),
    one('new-agreed', 'agreed', 30),
    one('old-agreed', 'agreed', 5),
    one('topic', 'trusted', 1, 'refs/heads/topic'),
  ];
  const here: Known = {
    entries: all,
    asked: [],
    bytes: new Map(all.map(({ tree }) => [tree, 10])),
    larger: new Map(),
  };
  const keepAll: Retention = { quotaBytes: 50, rules: [{ ageMs: null }], latest: 1 };

  it('drops an older agreed tree first, then the newest agreed one, older trusted ones, and last the newest of each branch', () => {
    const order = planStore(here, keepAll, 100).keep;
    expect(order).toEqual([
      'tree-new-trusted',
      'tree-topic',
      'tree-old-trusted',
      'tree-new-agreed',
      'tree-old-agreed',
    ]);
    for (let kept = 0; kept <= 5; kept++)
      expect(planStore(here, { ...keepAll, quotaBytes: kept * 10 }, 100).keep).toEqual(order.slice(0, kept));
  });

  it('keeps nothing in place of what it has no room for', () => {
    const large = { ...here, bytes: new Map([...here.bytes, ['tree-old-trusted', 25]]) };
    const plan = planStore(large, { ...keepAll, quotaBytes: 44 }, 100);
    expect(plan.keep).toEqual(['tree-new-trusted', 'tree-topic']);
    expect(plan.drop).toContainEqual({ tree: 'tree-new-agreed', why: 'quota' });
  });

  it('goes by the first rule that fits, and keeps the newest of a branch whatever its age', () => {
    const rules = [
      { level: 'agreed' as const, ageMs: 80 },
      { ref: 'refs/heads/main', ageMs: 50 },
    ];
    const plan = planStore(here, { ...keepAll, rules }, 100);
    expect(plan.keep).toEqual(['tree-new-trusted', 'tree-new-agreed']);
    expect(plan.drop).toContainEqual({ tree: 'tree-topic', why: 'age' });
  });

  it('asks for a tree of a size that its worth leaves room for, and not again for what was larger', () => {
    const bytes = new Map([...here.bytes].filter(([tree]) => tree !== 'tree-new-agreed'));
    const { missing } = planStore({ ...here, bytes }, keepAll, 100);
    expect(missing).toEqual([{ tree: 'tree-new-agreed', maxBytes: 20 }]);
    const larger = new Map([['tree-new-agreed', 20]]);
    expect(planStore({ ...here, bytes, larger }, keepAll, 100).missing).toEqual([]);
    expect(planStore({ ...here, bytes, larger }, { ...keepAll, quotaBytes: 60 }, 100).missing).toHaveLength(
      1,
    );
  });
});
