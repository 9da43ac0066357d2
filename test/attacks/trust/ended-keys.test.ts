import { describe, expect, it } from 'vitest';
import { sayKnowledge } from '../../../src/client/commands/verification.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { limits } from '../../../src/protocol/base/limits.ts';
import { encodeBundle, leaves, signMessage } from '../../../src/protocol/documents/index.ts';
import { RevocationBook, type StoredRevocations } from '../../../src/protocol/sessions/revocation-book.ts';
import { revokedBy } from '../../../src/protocol/trust/revocations.ts';
import type { Output } from '../../../src/terminal/output.ts';
import {
  idp,
  makeCharter,
  makeProject,
  project,
  revocationBy,
  root,
  testKey,
} from '../../support/project.ts';
import { verifyWithout } from './attack.ts';
import { answerOf } from './withheld.ts';

/** The identity provider's key of today; whoever has stolen the one before has `idp`. */
const fresh = testKey('idp two');
const { epoch } = makeCharter();
const before = await signMessage('charter', makeCharter(), root.signer);
const today = await signMessage('charter', makeCharter({ epoch: epoch + 1, idps: [fresh.id] }), root.signer);
const charters = [before.raw, today.raw];
const stolen = { kind: 'key', id: idp.id } as const;

const junk = await Promise.all(
  Array.from({ length: limits.revocationsMax }, (_, n) =>
    revocationBy(idp, { kind: 'operator', id: `nobody-${n}` }),
  ),
);
const raws = (all: readonly { raw: string }[]) => all.map(({ raw }) => raw);

function memory() {
  let file: StoredRevocations | undefined;
  return {
    load: async () => file,
    save: async (stored: StoredRevocations) => {
      file = structuredClone(stored);
    },
  };
}
const open = (file = memory(), ...off: string[]) =>
  RevocationBook.openBy(new Set(off), project, joseVerifier, file);

describe('a thief of the identity provider’s key that signs as many revocations as are taken', () => {
  /** The answer for an artifact that the root revoked and the thief would rather keep. */
  async function attack(...off: string[]): Promise<(string | null)[]> {
    const { bundle, artifact } = await makeProject();
    const file = memory();
    const book = await open(file, ...off);
    await book.learn({ charters, revocations: raws(junk) });
    const told = await revocationBy(root, { kind: 'artifact', id: artifact ?? '' });
    await book.learn({ charters: [], revocations: [told.raw] });
    const restarted = await open(file, ...off);
    const other = await open(memory(), ...off);
    await other.learn(book.page());
    const verdicts = [book, restarted, other].map(({ revoked }) =>
      verifyWithout([], bundle, { revocations: revoked }),
    );
    return (await Promise.all(verdicts)).map(({ code }) => code);
  }

  it('keeps none of the root’s out, before or after a restart, nor from whoever is told', async () => {
    expect(await attack()).toEqual(['ARTIFACT_REVOKED', 'ARTIFACT_REVOKED', 'ARTIFACT_REVOKED']);
    // Control: all keys share one room.
    expect(await attack('room-per-key')).toEqual([null, null, null]);
  });

  it('is named as full, and displaces nothing that was taken', async () => {
    const book = await open();
    const first = await revocationBy(idp, { kind: 'operator', id: 'ada' });
    await book.learn({ charters, revocations: [first.raw] });
    const { fresh: taken, full } = await book.learn({ charters, revocations: raws(junk) });
    expect([taken.length, full]).toEqual([limits.revocationsMax - 1, [idp.id]]);
    expect(book.has(first.id)).toBe(true);
  });

  it('does not keep those of the owner out unseen: whoever verifies is told, until the root ends the key', async () => {
    const said = (known: RevocationBook) => {
      const notes: string[] = [];
      const out = { say: () => {}, note: (line: string) => notes.push(line), colours: { red: String } };
      sayKnowledge(out as unknown as Output, known);
      return notes;
    };
    const file = memory();
    const book = await open(file);
    await book.learn({ charters, revocations: raws(junk.slice(1)) });
    expect(said(book)).toEqual([]);
    await book.learn({ charters, revocations: raws(junk) });
    const ours = await revocationBy(idp, { kind: 'operator', id: 'mallory' });
    await book.learn({ charters, revocations: [ours.raw] });
    expect(book.has(ours.id)).toBe(false);
    for (const known of [book, await open(file)])
      expect(said(known)).toEqual([expect.stringContaining(`the key ${idp.id} has signed 1000 revocations`)]);
    const end = await revocationBy(root, stolen, { v: 2, keeps: [ours.id] });
    await book.learn({ charters, revocations: [end.raw, ours.raw] });
    expect([book.has(ours.id), said(book)]).toEqual([true, []]);
  });
});

describe('a key that was rotated out, and revoked by the root', () => {
  async function attack(endFirst: boolean, ...off: string[]) {
    const { bundle, artifact } = await makeProject();
    const end = { charters, revocations: [(await revocationBy(root, stolen, { since: 99 })).raw] };
    const theirs = {
      charters,
      revocations: [(await revocationBy(idp, { kind: 'artifact', id: artifact ?? '' })).raw],
    };
    const book = await open(memory(), ...off);
    for (const list of endFirst ? [end, theirs] : [theirs, end]) await book.learn(list);
    return (await verifyWithout(off, bundle, { revocations: book.revoked })).code;
  }

  it.each([true, false])('voids nothing, whoever brings it; known before: %s', async (endFirst) => {
    expect(await attack(endFirst)).toBe(null);
    // Control: it goes on revoking.
    expect(await attack(endFirst, 'key-ended')).toBe('ARTIFACT_REVOKED');
  });

  it('takes no room: that of the present key, and of others, stays', async () => {
    const take = async (...off: string[]) => {
      const book = await open(memory(), ...off);
      await book.learn({ charters, revocations: [(await revocationBy(root, stolen)).raw] });
      const taken = await book.learn({ charters, revocations: raws(junk) });
      const own = await revocationBy(fresh, { kind: 'operator', id: 'mallory' });
      const learned = await book.learn({ charters, revocations: [own.raw] });
      return [taken.fresh.length, learned.fresh.length, book.size];
    };
    expect(await take()).toEqual([0, 1, 2]);
    // Control: both guards off, as it was.
    expect(await take('key-ended', 'room-per-key')).toEqual([
      limits.revocationsMax - 1,
      0,
      limits.revocationsMax,
    ]);
  });

  it('keeps what the root says that stays, also where the room was full of others', async () => {
    const { bundle, artifact } = await makeProject();
    const kept = await revocationBy(idp, { kind: 'artifact', id: artifact ?? '' }, { reason: 'malware' });
    const end = await revocationBy(root, stolen, { v: 2, keeps: [kept.id] });
    const book = await open();
    await book.learn({ charters, revocations: raws(junk) });
    await book.learn({ charters, revocations: [end.raw] });
    await book.learn({ charters, revocations: [kept.raw] });
    expect(book.size).toBe(2);
    const verdict = await verifyWithout([], bundle, { revocations: book.revoked });
    expect(verdict.code).toBe('ARTIFACT_REVOKED');
  });

  it('fills no room of what stays where all of it comes in one list, the end last', async () => {
    const kept = await revocationBy(idp, { kind: 'operator', id: 'ada' }, { reason: 'ours' });
    const end = await revocationBy(root, stolen, { v: 2, keeps: [kept.id] });
    const book = await open();
    const learned = await book.learn({ charters, revocations: raws([...junk, kept, end]) });
    expect(learned.fresh.map(({ revocation }) => revocation.id).sort()).toEqual([end.id, kept.id].sort());
    expect(book.size).toBe(2);
  });

  it("cannot say of itself what stays: only the root's word counts", async () => {
    const kept = await revocationBy(idp, { kind: 'operator', id: 'ada' });
    const own = await revocationBy(
      idp,
      { kind: 'key', id: testKey('nobody').id },
      { v: 2, keeps: [kept.id] },
    );
    const book = await open();
    const { refused } = await book.learn({ charters, revocations: [own.raw] });
    expect(refused.map(({ code }) => code)).toEqual(['REVOCATION_NEEDS_ROOT']);
  });
});

describe('a root key that revokes without end', () => {
  it('does not end its own revocations', async () => {
    const book = await open();
    const own = await revocationBy(root, { kind: 'operator', id: 'ada' });
    const end = await revocationBy(root, { kind: 'key', id: root.id });
    await book.learn({ charters: [], revocations: [end.raw, own.raw] });
    expect(book.size).toBe(2);
  });

  it('is believed up to its bound, and from there on nothing of the project is', async () => {
    const { bundle } = await makeProject();
    const one = revokedBy(await revocationBy(root, { kind: 'operator', id: 'nobody' }));
    const many = (count: number) =>
      Array.from({ length: count }, (_, n) => ({
        ...one,
        document: { id: `${n}`, signer: root.id, keeps: [] },
      }));
    const max = limits.rootRevocationsMax;
    const verify = (count: number) => verifyWithout([], bundle, { revocations: many(count) });
    expect(await verify(max)).toMatchObject({ ok: true, level: 'trusted' });
    expect(await verify(max + 1)).toMatchObject({ ok: false, code: 'REVOCATIONS_FULL' });
  });
});

describe('a controller whose log holds revocations of a key that was ended', () => {
  it('is not taken for one that keeps revocations back', async () => {
    const theirs = await revocationBy(idp, { kind: 'operator', id: 'zoe' });
    const end = await revocationBy(root, { kind: 'key', id: idp.id }, { since: 99 });
    const logged = await makeProject({
      log: (all) => [...all, leaves.revocation(theirs.id), leaves.revocation(end.id)],
    });
    const draft = encodeBundle(logged.draft);
    const told = { all: [end.raw], byId: [theirs.raw] };
    expect(await answerOf(logged, draft, told)).toBe('OK');
    // Control: a leaf that it shows to nobody.
    expect(await answerOf(logged, draft, { all: [end.raw], byId: [] })).toBe('REVOCATION_WITHHELD');
    // One that counts is not passed off as one that does not.
    const counts = await revocationBy(root, { kind: 'operator', id: 'zoe' });
    const hidden = await makeProject({
      log: (all) => [...all, leaves.revocation(counts.id), leaves.revocation(end.id)],
    });
    const shown = { all: [end.raw], byId: [theirs.raw] };
    expect(await answerOf(hidden, encodeBundle(hidden.draft), shown)).toBe('REVOCATION_WITHHELD');
  });
});
