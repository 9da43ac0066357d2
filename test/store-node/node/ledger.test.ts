import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CID } from 'multiformats/cid';
import { create } from 'multiformats/hashes/digest';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { limits } from '../../../src/protocol/base/limits.ts';
import { Hints } from '../../../src/store-node/node/keeper.ts';
import { Ledger, type LedgerEntry } from '../../../src/store-node/node/ledger.ts';
import { storeNodeLimits } from '../../../src/store-node/node/limits.ts';
import { storeView } from '../../../src/store-node/node/node.ts';
import { codeOf, folder } from '../../support/code-and-folder.ts';
import { withLimits } from '../../support/with-limits.ts';

const cidOf = (text: string) =>
  CID.createV1(0x70, create(0x12, createHash('sha256').update(text).digest())).toString();
const treeOf = (n: number) => cidOf(`tree ${n}`);
const job = cidOf('job');
const runOf = (n: number) => `${n}`.padStart(64, '0');
const entry = (n: number, tree: number, more: Partial<LedgerEntry> = {}): LedgerEntry => ({
  run: runOf(n),
  tree: treeOf(tree),
  job,
  kind: 'build',
  repo: 'r',
  ref: 'refs/heads/main',
  name: 'app',
  level: 'agreed',
  decidedAt: n,
  ...more,
});
const kept = { bytes: 5, beside: [] };

describe('the ledger of a store', () => {
  it('keeps the first verdict of one tree and the last ones', async () => {
    withLimits(storeNodeLimits, { entriesPerTreeMax: 3 });
    const ledger = await Ledger.open(join(await folder(), 'ledger.json'));
    const gone = [1, 2, 3, 4, 5].map((n) => ledger.add(entry(n, 0))?.run);
    expect(gone).toEqual([undefined, undefined, undefined, runOf(2), runOf(3)]);
    expect(ledger.of(treeOf(0)).map(({ decidedAt }) => decidedAt)).toEqual([1, 4, 5]);
    expect(ledger.add(entry(6, 1))).toBeUndefined();
  });

  it('keeps a bounded number of verdicts: the oldest of trees that are not kept goes, else the new one', async () => {
    withLimits(storeNodeLimits, { entriesMax: 3 });
    const ledger = await Ledger.open(join(await folder(), 'ledger.json'));
    ledger.trees.set(treeOf(1), kept);
    for (const [n, tree] of [
      [1, 1],
      [2, 2],
      [3, 3],
    ] as const)
      expect(ledger.add(entry(n, tree))).toBeUndefined();
    expect(ledger.add(entry(4, 4))?.run).toBe(runOf(2));
    for (const tree of [3, 4]) ledger.trees.set(treeOf(tree), kept);
    expect(ledger.add(entry(5, 1))?.run).toBe(runOf(5));
  });

  it('is there at the next start, and a file that is no ledger is an error with its path', async () => {
    const file = join(await folder(), 'ledger.json');
    const ledger = await Ledger.open(file);
    ledger.add(entry(1, 1));
    const first = ledger.save();
    ledger.trees.set(treeOf(1), { bytes: 5, beside: [treeOf(2)] });
    ledger.asked.set(treeOf(3), 7);
    await Promise.all([first, ledger.save()]);
    const { known, trees } = await Ledger.open(file);
    expect(known).toEqual({ ...ledger.known, asked: [{ tree: treeOf(3), until: 7 }] });
    expect(trees).toEqual(ledger.trees);
    await writeFile(file, '{"v":1}');
    expect(await codeOf(() => Ledger.open(file))).toBe('HOME_DAMAGED');
  });

  it('shows verdicts of trees that are here: the newest first, as many as a feed takes, a test without an artifact', async () => {
    withLimits(limits, { feedOffersMax: 2 });
    const ledger = await Ledger.open(join(await folder(), 'ledger.json'));
    for (const tree of [1, 2, 3]) ledger.trees.set(treeOf(tree), kept);
    const all = [
      entry(1, 1, { level: 'trusted' }),
      entry(2, 2, { cosigned: false }),
      entry(3, 3, { kind: 'test', level: 'trusted' }),
      entry(4, 4, { level: 'trusted' }),
    ];
    for (const one of all) ledger.add(one);
    const view = storeView(
      {
        project: 'p',
        store: { blocks: { parse: String, touch: () => 1, read: String, links: () => [] } },
        bundles: {},
        ledger,
      } as never,
      {} as never,
      {} as never,
    );
    expect(view.verdicts()).toEqual([
      { job, request: runOf(3), level: 'trusted', artifact: null },
      { job, request: runOf(2), level: 'agreed', artifact: treeOf(2), cosigned: false },
    ]);
    expect([1, 2, 3, 4].map((n) => view.level(treeOf(n)))).toEqual(['trusted', 'agreed', 'none', 'none']);
    // A controller asked for the fifth, of which there is no verdict.
    ledger.trees.set(treeOf(5), kept);
    const served = await Promise.all([1, 2, 3, 4, 5].map((n) => view.block(treeOf(n))));
    expect(served.map((bytes) => bytes !== undefined)).toEqual([true, true, true, false, false]);
  });
});

describe('verdicts that were heard of', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const hint = (run: string, level: 'agreed' | 'trusted' = 'agreed') => ({ run, tree: 'tree', level });

  it('are looked at one after the other, a higher level at once', () => {
    const hints = new Hints();
    expect(hints.due(0)).toBeUndefined();
    for (const run of ['a', 'b']) hints.add(hint(run));
    expect(hints.again(hint('a'), 0)).toBe(false);
    expect(hints.due(0)?.run).toBe('b');
    hints.done(hint('b'));
    expect([hints.due(999), hints.due(1_000)?.run]).toEqual([undefined, 'a']);
    hints.add(hint('a'));
    expect(hints.due(999)).toBeUndefined();
    hints.add(hint('a', 'trusted'));
    expect(hints.due(0)).toEqual(hint('a', 'trusted'));
    // Of the level before there is nothing to say any more.
    hints.done(hint('a'));
    expect(hints.again(hint('a'), 0)).toBe(false);
    expect(hints.due(0)?.level).toBe('trusted');
    hints.add(hint('a', 'trusted'));
    hints.done(hint('a', 'trusted'));
    expect(hints.due(1e9)).toBeUndefined();
  });

  it('are looked at less and less often, and told of at the third look', () => {
    const hints = new Hints();
    hints.add(hint('a'));
    const told = Array.from({ length: 9 }, () => hints.again(hint('a'), 0));
    expect(told.map((one, n) => (one ? n + 1 : 0)).filter((n) => n > 0)).toEqual([3]);
    expect([hints.due(599_999), hints.due(600_000)?.run]).toEqual([undefined, 'a']);
  });

  it('are as many as there may be, and the oldest goes', () => {
    withLimits(storeNodeLimits, { hintsMax: 2 });
    const hints = new Hints();
    for (const run of ['a', 'b', 'c']) hints.add(hint(run));
    expect(hints.due(0)?.run).toBe('b');
    hints.done(hint('b'));
    hints.done(hint('c'));
    expect(hints.due(0)).toBeUndefined();
  });
});

it('a wait ends with the next verdict, with the time of one, and with its caller', async () => {
  const { signal } = new AbortController();
  const hints = new Hints();
  const waiting = hints.wait(signal);
  hints.add({ run: 'a', tree: 'tree', level: 'agreed' });
  await waiting;
  const before = performance.now();
  // That one is due, and still looked at with a pause.
  await hints.wait(signal);
  expect(performance.now() - before).toBeGreaterThanOrEqual(49);
  const stop = new AbortController();
  hints.done({ run: 'a', tree: 'tree', level: 'agreed' });
  const ended = hints.wait(stop.signal);
  stop.abort();
  await ended;
});
