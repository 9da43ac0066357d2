import { describe, expect, it } from 'vitest';
import { standIn } from '../../../simulations/keys.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  canonicalText,
  claimedIdOf,
  encodeEquivocation,
  type Revocation,
  type Signer,
  signMessage,
  typOf,
} from '../../../src/protocol/documents/index.ts';
import { sessionLimits } from '../../../src/protocol/sessions/limits.ts';
import { RevocationBook, type StoredRevocations } from '../../../src/protocol/sessions/revocation-book.ts';
import {
  formatCheckpoint,
  MerkleTree,
  signCheckpoint,
  witnessCheckpoint,
} from '../../../src/protocol/transparency/index.ts';
import { at, makeCharter } from '../../support/documents.ts';

const [root, idp, second, trusted] = ['root', 'idp', 'second', 'trusted'].map((name) =>
  standIn.signer(name),
) as [Signer, Signer, Signer, Signer];
const project = root.id;
const charterOf = async (over: object = {}) =>
  (
    await signMessage(
      'charter',
      { ...makeCharter(), iss: project, project, idps: [idp.id, second.id], trusted: [trusted.id], ...over },
      root,
    )
  ).raw;
const charters = [await charterOf()];

const sign = async (by: Signer, id: string, over: Partial<Revocation> = {}) => {
  const what = { kind: 'operator', id } as const;
  const { raw, id: is } = await signMessage(
    'revocation',
    { iss: by.id, project, what, since: 0, reason: 'no', iat: at, ...over },
    by,
  );
  return { raw, id: is };
};
const end = (key: Signer, over: Partial<Revocation> = {}) =>
  sign(root, '', { what: { kind: 'key', id: key.id }, ...over });
/** Of a version that nobody reads yet. */
async function newer(by: Signer, n: number): Promise<string> {
  const what = { kind: 'operator', id: `o${n}` };
  const payload = { iss: by.id, project, what, since: 0, reason: 'no', iat: at, v: 99 };
  return by.jws(
    { alg: 'Ed25519', typ: typOf('revocation'), kid: by.id },
    toUtf8(canonicalText(payload as never)),
  );
}

/** A home whose file can be full, and a book of it. */
class Home {
  file: StoredRevocations | undefined;
  saves = 0;
  failure: unknown;
  disk: Promise<void> | undefined;
  isUnreadable = false;
  readonly told: string[] = [];

  open(isTold = true): Promise<RevocationBook> {
    const port = {
      load: async () => {
        if (this.isUnreadable) throw new QuorateError('HOME_UNREADABLE' as never, 'it is damaged');
        return this.file;
      },
      save: async (stored: StoredRevocations) => {
        this.saves++;
        await this.disk;
        if (this.failure !== undefined) throw this.failure;
        this.file = structuredClone(stored);
      },
    };
    const unsaved = isTold ? ({ message }: Error) => void this.told.push(message) : undefined;
    return RevocationBook.open(project, standIn.verifier, port, unsaved);
  }
}

const none = { charters: [], revocations: [] };
const learn = async (book: RevocationBook, ...ids: string[]) =>
  book.learn({ charters, revocations: await Promise.all(ids.map(async (id) => (await sign(idp, id)).raw)) });

describe('the file of a book', () => {
  it('is written where something is new, or somebody answered', async () => {
    const home = new Home();
    const book = await home.open();
    expect(book.askedAt).toBeNull();
    await book.learn(none);
    expect(home.saves).toBe(0);
    await learn(book, 'a');
    await learn(book, 'a');
    expect(home.saves).toBe(1);
    await book.learn(none, 7);
    await book.learn(none, 5);
    expect([home.saves, book.askedAt, home.file?.askedAt]).toEqual([3, 7, 7]);
    await book.learn({ ...none, revocations: [await newer(root, 0)] });
    expect([home.saves, home.file?.revocations.length]).toEqual([4, 2]);
    expect('equivocations' in (home.file ?? {})).toBe(false);
    const again = await home.open();
    expect([again.size, again.askedAt]).toEqual([1, 7]);
  });

  it('that cannot be written is told once, until it can be again', async () => {
    const home = new Home();
    const book = await home.open();
    home.failure = new Error('full');
    await learn(book, 'a');
    await learn(book, 'b');
    expect(home.told).toEqual(['full']);
    home.failure = undefined;
    await book.saveAgain();
    expect(home.file?.revocations).toHaveLength(2);
    const { saves } = home;
    await book.saveAgain();
    await book.learn(none);
    expect(home.saves).toBe(saves);
    home.failure = new Error('full again');
    await learn(book, 'c');
    expect(home.told).toEqual(['full', 'full again']);
    home.failure = 'no error';
    await expect(learn(book, 'd')).rejects.toBe('no error');
  });

  it('that cannot be written is an error where nobody is told, and written with the next list', async () => {
    const home = new Home();
    const book = await home.open(false);
    home.failure = new Error('full');
    await expect(learn(book, 'a')).rejects.toThrow('full');
    home.failure = undefined;
    expect((await book.learn(none)).fresh).toEqual([]);
    expect(home.file?.revocations).toHaveLength(1);
  });

  it('gives what another process of the home has added to it, and when that one asked', async () => {
    const home = new Home();
    const [one, other] = [await home.open(), await home.open()];
    await learn(one, 'a');
    const { fresh, full } = await learn(other, 'b');
    expect([fresh.length, full, other.askedAt]).toEqual([2, [], null]);
    await one.learn(none, 9);
    await other.learn(none, 4);
    expect([other.askedAt, one.size]).toEqual([9, 2]);
    home.isUnreadable = true;
    expect((await learn(other, 'c')).fresh).toHaveLength(1);
    expect(home.file?.revocations).toHaveLength(3);
  });

  it('is written by one list after the other', async () => {
    const home = new Home();
    const book = await home.open();
    const all = await Promise.all([learn(book, 'a'), learn(book, 'a'), learn(book, 'a', 'b')]);
    expect(all.map(({ fresh }) => fresh.length)).toEqual([1, 0, 1]);
    expect(home.file?.revocations).toHaveLength(2);
    const disk = Promise.withResolvers<void>();
    home.disk = disk.promise;
    const saves = home.saves;
    const both = [learn(book, 'c'), learn(book, 'd')];
    await new Promise(setImmediate);
    expect(home.saves).toBe(saves + 1);
    disk.resolve();
    await Promise.all(both);
    expect([home.saves, home.file?.revocations.length]).toEqual([saves + 2, 4]);
  });
});

describe('the room of a key', () => {
  const fill = async (book: RevocationBook, by: Signer, count: number) =>
    book.learn({
      charters,
      revocations: (await Promise.all(Array.from({ length: count }, (_, n) => sign(by, `o${n}`)))).map(
        ({ raw }) => raw,
      ),
    });

  it('is a thousand revocations of each identity provider, and is said to be full then', async () => {
    const book = await new Home().open();
    const max = limits.revocationsMax;
    expect((await fill(book, idp, max - 1)).full).toEqual([]);
    expect(book.full).toEqual([]);
    expect((await learn(book, 'last')).full).toEqual([]);
    expect([book.full, book.size]).toEqual([[idp.id], max]);
    const { fresh, full } = await learn(book, 'more', 'another');
    expect([fresh.length, full, book.size]).toEqual([0, [idp.id], max]);
    expect((await fill(book, second, 1)).fresh).toHaveLength(1);
    expect((await fill(book, root, 1)).fresh).toHaveLength(1);
    expect([book.signedBy(idp.id).length, book.signedBy(second.id).length]).toEqual([max, 1]);
    // One that the end of the key lists is taken all the same.
    const kept = await sign(idp, 'kept');
    await book.learn({ charters, revocations: [(await end(idp, { v: 2, keeps: [kept.id] })).raw] });
    expect((await learn(book, 'kept')).fresh).toHaveLength(1);
  });

  it('is eight of those that this version cannot read', async () => {
    const book = await new Home().open();
    const max = sessionLimits.unreadRevocationsMax;
    const all = await Promise.all(Array.from({ length: max + 1 }, (_, n) => newer(idp, n)));
    expect((await book.learn({ charters, revocations: all.slice(0, max) })).unread).toBe(max);
    expect((await book.learn({ charters, revocations: all })).unread).toBe(0);
    expect((await book.learn({ charters, revocations: [await newer(second, 0)] })).unread).toBe(1);
    expect(book.page().revocations).toHaveLength(max + 1);
    await book.learn({ charters, revocations: [(await end(idp)).raw] });
    expect(book.page().revocations).toHaveLength(2);
  });
});

describe('a leaf of the log', () => {
  it('of a revocation that counts no more is waited for until it was seen', async () => {
    const book = await new Home().open();
    const before = await sign(idp, 'before');
    await book.learn({ charters, revocations: [before.raw] });
    await book.learn({ charters, revocations: [(await end(idp)).raw] });
    expect([book.has(before.id), book.size]).toEqual([true, 1]);
    const later = await sign(idp, 'later');
    const unread = await newer(idp, 1);
    const unreadId = claimedIdOf(unread) ?? '';
    await book.learn({ charters, revocations: [later.raw, unread] });
    expect(book.has(later.id)).toBe(false);
    await book.learn({ charters, revocations: [later.raw] }, undefined, new Set(['another']));
    expect(book.has(later.id)).toBe(false);
    await book.learn({ charters, revocations: [later.raw] }, undefined, new Set([later.id]));
    expect([book.has(later.id), book.size]).toEqual([true, 1]);
    const leaves = (id: string) => book.learn({ charters, revocations: [unread] }, undefined, new Set([id]));
    await leaves('another');
    expect(book.has(unreadId)).toBe(false);
    expect((await leaves(unreadId)).unread).toBe(0);
    expect(book.has(unreadId)).toBe(true);
  });

  it('of which the root says that there is none is waited for no more', async () => {
    const book = await new Home().open();
    const gone = 'ab'.repeat(32);
    expect(book.has(gone)).toBe(false);
    const { raw } = await end(second, { v: 3, voidLeaves: [gone] } as never);
    const { fresh } = await book.learn({ charters, revocations: [raw] });
    expect([fresh.length, book.has(gone)]).toEqual([1, true]);
  });
});

describe('evidence of two stories', () => {
  const story = async (log: Signer, epoch: number, witness?: Signer) => {
    const charter = await charterOf({ epoch, log: log.id });
    const checkpoints = await Promise.all(
      ['one', 'two'].map(async (leaf) => {
        const tree = new MerkleTree(['a', leaf]);
        const note = await signCheckpoint(
          formatCheckpoint({ project, size: tree.size, root: tree.root() }),
          log,
        );
        return witness === undefined ? note : note + (await witnessCheckpoint(note, witness, at));
      }),
    );
    return encodeEquivocation({ v: 1, kind: 'roots', charter, checkpoints: checkpoints as [string, string] });
  };

  it('is kept for thirty-two log keys, and for each the one under the most lines', async () => {
    const home = new Home();
    const book = await home.open();
    const take = (...equivocations: string[]) => book.learn({ ...none, equivocations });
    const logs = Array.from({ length: limits.equivocationsMax + 1 }, (_, n) => standIn.signer(`log ${n}`));
    const [first, last] = [logs[0], logs.at(-1)] as [Signer, Signer];
    const all = await Promise.all(logs.map((log, n) => story(log, n + 1)));
    expect((await take(...all.slice(0, -1))).found).toHaveLength(limits.equivocationsMax);
    const { found, refused } = await take(...all);
    expect([found, refused.map(({ code }) => code)]).toEqual([[], ['REVOCATIONS_FULL']]);
    expect(refused[0]?.message).toContain(last.id);
    expect([book.equivocationOf(first.id)?.raw, book.equivocationOf(last.id)]).toEqual([all[0], undefined]);
    // Other evidence of as many lines is no news; more lines are, also in a full book.
    const same = await story(first, 99);
    expect(await take(same)).toMatchObject({ found: [], refused: [] });
    const lined = await story(first, 1, trusted);
    expect((await take(lined)).found.map(({ raw }) => raw)).toEqual([lined]);
    expect(await take(all[0] ?? '', same)).toMatchObject({ found: [], refused: [] });
    expect(book.equivocationOf(first.id)?.raw).toBe(lined);
    expect(home.file?.equivocations).toHaveLength(limits.equivocationsMax);
    expect((await home.open()).equivocations).toEqual(book.equivocations);
    expect(book.list.equivocations).toEqual(book.evidence());
  });

  it('that proves nothing is refused with the reason, and keeps nothing else from being taken', async () => {
    const book = await new Home().open();
    const revocations = [(await sign(idp, 'a')).raw];
    const { refused, fresh } = await book.learn({ charters, revocations, equivocations: ['{}'] });
    expect([refused.length, fresh.length]).toEqual([1, 1]);
  });
});
