import { describe, expect, it } from 'vitest';
import {
  type Asked,
  type Entry,
  planStore,
  type Retention,
  roomForAsked,
} from '../../../src/store-node/machine/plan.ts';

const now = 1_000;
/** A verdict on a tree of the same name. */
const entry = (tree: string, over: Partial<Entry> = {}): Entry => ({
  run: tree,
  tree,
  repo: 'r',
  ref: 'refs/heads/main',
  name: 'app',
  level: 'trusted',
  decidedAt: 500,
  ...over,
});
const always: Retention = { quotaBytes: 100, rules: [{ ageMs: null }], latest: 0 };
const planned = (
  entries: readonly Entry[],
  over: Partial<Retention> = {},
  { bytes = {}, larger = {}, asked = [] }: { bytes?: object; larger?: object; asked?: Asked[] } = {},
) => {
  const known = {
    entries,
    asked,
    bytes: new Map(Object.entries(bytes)),
    larger: new Map(Object.entries(larger)),
  };
  return {
    ...planStore(known, { ...always, ...over }, now),
    room: roomForAsked(known, { ...always, ...over }, now),
  };
};
const all = (...trees: string[]) => Object.fromEntries(trees.map((tree) => [tree, 10]));

describe('a store keeps', () => {
  it('trees that are worth more, and of equals the newer, then in the order of their names', () => {
    const entries = [
      entry('d', { level: 'agreed', name: 'd', decidedAt: 900 }),
      entry('c', { name: 'c', decidedAt: 100 }),
      entry('b', { name: 'b' }),
      entry('a', { name: 'a' }),
    ];
    for (const given of [entries, entries.toReversed()]) {
      expect(planned(given, {}, { bytes: all('d', 'c', 'b', 'a') }).keep).toEqual(['a', 'b', 'c', 'd']);
      expect(planned(given, { quotaBytes: 30 }, { bytes: all('d', 'c', 'b', 'a') }).keep).toEqual([
        'a',
        'b',
        'c',
      ]);
      expect(planned(given, { quotaBytes: 29 }, { bytes: all('d', 'c', 'b', 'a') }).keep).toEqual(['a', 'b']);
    }
  });

  it('no tree that is larger than its quota, and those behind it', () => {
    const entries = [entry('large', { decidedAt: 900 }), entry('small')];
    const bytes = { large: 101, small: 100 };
    expect(planned(entries, {}, { bytes })).toMatchObject({
      keep: ['small'],
      drop: [{ tree: 'large', why: 'quota' }],
    });
    const asked = [{ tree: 'large', until: now + 1 }];
    expect(planned(entries, {}, { bytes, asked }).keep).toEqual(['small']);
  });

  it('a tree that was asked for, until its time', () => {
    const ask = (until: number) => planned([], {}, { bytes: { a: 10 }, asked: [{ tree: 'a', until }] });
    expect(ask(now + 1).keep).toEqual(['a']);
    expect(ask(now).drop).toEqual([{ tree: 'a', why: 'unproven' }]);
    expect(ask(now + 1).room).toBe(90);
  });

  it('the trees of a rule up to its age', () => {
    const rules = [{ ageMs: 500 }];
    expect(planned([entry('a')], { rules }, { bytes: all('a') }).keep).toEqual(['a']);
    const old = [entry('a', { decidedAt: 499 })];
    expect(planned(old, { rules }, { bytes: all('a') }).drop).toEqual([{ tree: 'a', why: 'age' }]);
    // The latest is kept whatever its age, of each job at each ref.
    const latest = [...old, entry('b', { decidedAt: 1 }), entry('c', { decidedAt: 2, name: 'docs' })];
    expect(planned(latest, { rules, latest: 1 }, { bytes: all('a', 'b', 'c') }).keep).toEqual(['a', 'c']);
  });

  it('of two of one time the one whose run comes first as the latest', () => {
    const two = [entry('a', { run: '2' }), entry('b', { run: '1' })];
    for (const given of [two, two.toReversed()])
      expect(planned(given, { rules: [{ ageMs: 0 }], latest: 1 }, { bytes: all('a', 'b') }).keep).toEqual([
        'b',
      ]);
  });

  it('an agreed one as the latest only where no trusted one is as new', () => {
    const rules = [{ ageMs: 0 }];
    const of = (agreedAt: number, using: Retention['rules'] = rules) =>
      planned(
        [entry('a'), entry('b', { level: 'agreed', decidedAt: agreedAt })],
        { rules: using, latest: 1 },
        { bytes: all('a', 'b') },
      ).keep;
    expect([of(499), of(500), of(501)]).toEqual([['a'], ['a'], ['a', 'b']]);
    // A trusted one that no rule keeps is not looked at.
    expect(of(499, [{ level: 'agreed', ageMs: 0 }])).toEqual(['b']);
    expect(of(499, [{ level: 'trusted', ageMs: 0 }])).toEqual(['a']);
  });

  it('and fetches what is missing, as far as there is room for it', () => {
    const entries = [entry('a', { decidedAt: 900 }), entry('b')];
    const of = (larger: object, bytes: object = { a: 60 }) => planned(entries, {}, { bytes, larger }).missing;
    expect(of({})).toEqual([{ tree: 'b', maxBytes: 40 }]);
    expect(of({ b: 39 })).toEqual([{ tree: 'b', maxBytes: 40 }]);
    expect(of({ b: 40 })).toEqual([]);
    expect(of({}, { a: 100 })).toEqual([]);
    // From the first that does not fit on none is fetched.
    const three = [entry('x', { decidedAt: 950 }), ...entries];
    expect(planned(three, {}, { bytes: { x: 60, a: 60 } }).missing).toEqual([]);
  });

  it('no tree under a quota of zero; a quota or a count below zero is refused', () => {
    expect(() => planned([], { quotaBytes: -1 })).toThrow(/not negative/);
    expect(() => planned([], { latest: -1 })).toThrow(/not negative/);
    expect(planned([], { quotaBytes: 0 })).toMatchObject({ keep: [], room: 0 });
  });

  it('room beside what is trusted, and none of what is agreed', () => {
    const entries = [entry('a'), entry('b', { level: 'agreed', name: 'docs' })];
    expect(planned(entries, {}, { bytes: all('a', 'b') }).room).toBe(90);
    expect(planned(entries, { latest: 1 }, { bytes: all('a', 'b') }).room).toBe(90);
    expect(planned([entry('a')], { quotaBytes: 5 }, { bytes: all('a') }).room).toBe(5);
  });
});
