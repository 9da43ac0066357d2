import { describe, expect, it } from 'vitest';
import type { Ack, Verified } from '../../../src/protocol/documents/index.ts';
import { MerkleTree } from '../../../src/protocol/transparency/index.ts';
import {
  CheckpointBook,
  promisesOf,
  type WitnessState,
} from '../../../src/worker/sessions/checkpoint-book.ts';
import { evidenceOfLeaves, Uncompared } from '../../../src/worker/sessions/log-comparison.ts';

const minutes = (n: number) => n * 60_000;

describe('a member whose checkpoints the controller gives no proof for', () => {
  /** Fails at these times, and the controller is heard at `heard`. Returns what the last one comes to. */
  const failing = (times: readonly number[], heard = minutes(60), uncompared = new Uncompared()) => {
    uncompared.heard(heard);
    return times.map((now) => uncompared.failed('member', now)).at(-1);
  };

  it.each<[string, number[], number | undefined, boolean]>([
    ['three times in more than ten minutes', [0, 1, minutes(10) + 1], undefined, true],
    ['three times in ten minutes', [0, 1, minutes(10)], undefined, false],
    ['twice', [0, minutes(20)], undefined, false],
    ['four times', [0, 1, 2, minutes(11)], undefined, true],
    ['while the controller was heard no later than that', [0, 1, minutes(11)], minutes(10), false],
    ['while the controller was heard later than that', [0, 1, minutes(11)], minutes(10) + 1, true],
  ])('%s: %o %s %s', (_name, times, heard, failed) => {
    expect(failing(times, heard)).toBe(failed);
  });

  it('begins anew once one was compared', () => {
    const uncompared = new Uncompared();
    failing([0, 1, 2], undefined, uncompared);
    uncompared.compared('member');
    expect(failing([minutes(11)], undefined, uncompared)).toBe(false);
  });

  it('is one of 64 at most, the oldest is forgotten', () => {
    const of = (count: number) => {
      const uncompared = new Uncompared();
      uncompared.heard(minutes(60));
      for (let n = 0; n < count; n++)
        for (const now of n === 0 ? [0, 1] : [0]) uncompared.failed(`member ${n}`, now);
      return uncompared.failed('member 0', minutes(11));
    };
    expect([of(64), of(65)]).toEqual([true, false]);
  });
});

describe('evidence of two logs whose leaves are at hand', () => {
  const under = (leaves: string[], over: object = {}) => {
    const tree = new MerkleTree(leaves);
    return { note: leaves.join(), size: tree.size, root: tree.root(), leaves, ...over };
  };
  const [short, long, other] = [
    ['a', 'b'],
    ['a', 'b', 'c'],
    ['a', 'x', 'c'],
  ].map((one) => under(one));

  it('is the first index at which they differ, and none where one goes on in the other', () => {
    if (short === undefined || long === undefined || other === undefined) throw new Error('there are three');
    expect(evidenceOfLeaves('charter', short, long)).toBeUndefined();
    expect(evidenceOfLeaves('charter', long, short)).toBeUndefined();
    expect(evidenceOfLeaves('charter', long, long)).toBeUndefined();
    for (const [first, second] of [[long, other] as const, [other, short] as const])
      expect(evidenceOfLeaves('charter', first, second)).toMatchObject({
        kind: 'leaves',
        index: 1,
        charter: 'charter',
        entries: [
          { checkpoint: first.note, leaf: first.leaves[1] },
          { checkpoint: second.note, leaf: second.leaves[1] },
        ],
      });
  });

  it('is none where they are not those under the checkpoints', () => {
    const [one, two] = [under(['a', 'b']), under(['a', 'x'])];
    expect(evidenceOfLeaves('charter', one, two)).toBeDefined();
    for (const over of [{ size: 3 }, { size: 1 }, { root: one.root }])
      expect(evidenceOfLeaves('charter', one, under(['a', 'x'], over))).toBeUndefined();
  });
});

describe('the book of checkpoints', () => {
  const open = async () => {
    let stored: WitnessState | undefined;
    let saves = 0;
    const book = new CheckpointBook({
      load: async () => stored,
      save: async (state) => {
        saves++;
        stored = state;
      },
    });
    await book.load();
    const keep = (size: number, now: number, log = 'log') =>
      book.keep(log, { size, root: `${size}`, note: '' }, { now, steady: now });
    return {
      book,
      keep,
      sizes: () => stored?.logs[0]?.seen.map(({ size }) => size) ?? [],
      saves: () => saves,
    };
  };

  /** The size that makes room for a 65th checkpoint, where the ones before were kept at these times. */
  const makesRoom = async (at: (n: number) => number) => {
    const { keep, sizes } = await open();
    for (let n = 0; n < 64; n++) await keep(n + 1, at(n));
    expect(sizes()).toHaveLength(64);
    await keep(65, at(64));
    expect(sizes()).toHaveLength(64);
    return Array.from({ length: 65 }, (_, n) => n + 1).find((size) => !sizes().includes(size));
  };

  it.each<[string, (n: number) => number, number]>([
    ['the smallest of those a minute apart, two by two', (n) => n * 30_000, 1],
    ['the first that is within a minute of both beside it, and not the smallest', (n) => n * 29_999, 2],
    ['none of the newest 16 for that', (n) => n * 30_000 - Math.max(0, n - 48) * 29_999, 1],
    ['the one before these', (n) => n * 30_000 - Math.max(0, n - 47) * 29_999, 48],
  ])('gives up %s', async (_name, at, size) => {
    expect(await makesRoom(at)).toBe(size);
  });

  it('has the largest of at most a size, and the one of a size', async () => {
    const { book, keep } = await open();
    for (const size of [5, 1, 3]) await keep(size, 0);
    expect([0, 1, 2, 3, 4, 9].map((size) => book.largest('log', size)?.size)).toEqual([
      ...[undefined, 1, 1, 3, 3, 5],
    ]);
    expect([book.at('log', 3)?.size, book.at('log', 4)?.size, book.newest('log')?.size]).toEqual([
      ...[3, undefined, 5],
    ]);
  });

  it('says since when a larger one is known', async () => {
    const { book, keep } = await open();
    await keep(3, 1_000);
    await keep(5, 2_000);
    const age = (size: number, now = 5_000) => book.outdatedFor('log', size, { now, steady: now });
    expect([age(2), age(3), age(4), age(5), age(6)]).toEqual([4_000, 3_000, 3_000, 0, 0]);
    expect(age(2, 500)).toBe(0);
  });

  it('holds those of four log keys, the latest', async () => {
    const { book, keep } = await open();
    for (const log of ['a', 'b', 'c', 'd']) await keep(1, 0, log);
    await keep(2, 0, 'a');
    expect(['a', 'b', 'c', 'd'].map((log) => book.newest(log)?.size)).toEqual([2, 1, 1, 1]);
    await keep(1, 0, 'e');
    expect(['a', 'b', 'c', 'd', 'e'].map((log) => book.newest(log)?.size)).toEqual([2, undefined, 1, 1, 1]);
  });

  it('replaces a checkpoint of one log, and leaves those of others', async () => {
    const { book, keep } = await open();
    await keep(1, 0, 'a');
    await keep(1, 0, 'b');
    book.replace('a', { size: 1, root: '1', note: 'with a line' });
    expect([book.newest('a')?.note, book.newest('b')?.note]).toEqual(['with a line', '']);
  });

  const ackOf = (name: string) =>
    ({ raw: name, payload: { receipt: 'r', index: 7 } }) as unknown as Verified<Ack>;
  const round = { offer: 'o', index: 4, job: 'j', request: 'q' };

  it('keeps a lease and an offer of 16,384 characters with a promise, and no longer one', () => {
    const [fits, long] = ['x'.repeat(16_384), 'x'.repeat(16_385)];
    const kept = (lease: string, offer: string) => {
      const [promise] = promisesOf(ackOf('ack'), round, 0, { lease, offer });
      return [promise?.lease === lease, promise?.offer === offer];
    };
    expect([kept(fits, long), kept(long, fits)]).toEqual([
      [true, false],
      [false, true],
    ]);
    expect(promisesOf(ackOf('ack'), round, 0, undefined)[0]).not.toHaveProperty('lease');
  });

  it('keeps 512 promises, each once, and says which made room', async () => {
    const { book, saves } = await open();
    const promised = (n: number) => book.promise(promisesOf(ackOf(`ack ${n}`), round, 0, undefined));
    for (let n = 0; n < 256; n++) expect(await promised(n)).toEqual([]);
    expect([book.promises.length, saves()]).toEqual([512, 256]);
    expect(await promised(7)).toEqual([]);
    expect(saves()).toBe(256);
    expect((await promised(256)).map(({ ack }) => ack)).toEqual(['ack 0', 'ack 0']);
    expect(book.promises).toHaveLength(512);
    book.settle(book.promises.slice(0, 2));
    expect(book.promises).toHaveLength(510);
  });
});
