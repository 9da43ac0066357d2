import { beforeAll, describe, expect, it } from 'vitest';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  type Bundle,
  canonicalText,
  claimedIdOf,
  encodeBundle,
  leaves,
  signMessage,
  typOf,
} from '../../../src/protocol/documents/index.ts';
import { RevocationBook, type StoredRevocations } from '../../../src/protocol/sessions/revocation-book.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import { at, idp, makeProject, project, root, trusted } from '../../support/project.ts';
import { answerOf } from './withheld.ts';

let bundle: Bundle;
beforeAll(async () => {
  ({ bundle } = await makeProject());
});

const ofIdp = { kind: 'key', id: idp.id } as const;
const openBook = (off: string[]) => RevocationBook.openBy(new Set(off), project, joseVerifier);

/** A revocation of a version that nobody reads yet, as `key` signs it in the name of `kid`. */
function newer(key: NodeKey, kid = key.id): Promise<string> {
  const payload = { iss: kid, project, what: ofIdp, since: 0, reason: 'stolen', iat: at, v: 99 };
  return key.signer.jws(
    { alg: 'Ed25519', typ: typOf('revocation'), kid },
    toUtf8(canonicalText(payload as never)),
  );
}

/** A book that was told this, what it kept, and how the bundle stands by it. */
async function told(...revocations: string[]) {
  let file: StoredRevocations | undefined;
  const port = {
    load: async () => file,
    save: async (stored: StoredRevocations) => {
      file = structuredClone(stored);
    },
  };
  const book = await RevocationBook.open(project, joseVerifier, port);
  await book.learn({ charters: [bundle.charter], revocations });
  const verdict = async ({ revoked }: RevocationBook) => {
    const { ok, code } = await verifyBundle(bundle, { project, revocations: revoked }, joseVerifier);
    return ok ? 'accepted' : code;
  };
  const again = await RevocationBook.open(project, joseVerifier, port);
  return { now: await verdict(book), later: await verdict(again), list: book.list.revocations };
}

describe('a revocation of a later version than this program reads', () => {
  it('by the root has nothing of the project believed until the program is updated', async () => {
    const raw = await newer(root);
    expect(await told(raw)).toEqual({ now: 'DOC_NEWER', later: 'DOC_NEWER', list: [raw] });
  });

  it('by an identity provider has too, until the root ends that key', async () => {
    const raw = await newer(idp);
    expect(await told(raw)).toEqual({ now: 'DOC_NEWER', later: 'DOC_NEWER', list: [raw] });
    const end = { iss: root.id, project, what: ofIdp, since: 99, reason: 'stolen', iat: at };
    const { raw: ended } = await signMessage('revocation', end, root.signer);
    for (const list of [
      [raw, ended],
      [ended, raw],
    ])
      expect(await told(...list)).toEqual({ now: 'accepted', later: 'accepted', list: [ended] });
    const keeps = [claimedIdOf(raw) ?? ''];
    const kept = await signMessage('revocation', { ...end, v: 2, keeps }, root.signer);
    expect((await told(kept.raw, raw)).now).toBe('DOC_NEWER');
  });

  it('by any other key, or that nobody signed, is nothing', async () => {
    for (const raw of [await newer(trusted), await newer(idp, root.id), await newer(trusted, idp.id)])
      expect(await told(raw)).toEqual({ now: 'accepted', later: 'accepted', list: [] });
  });

  it.each([
    ['the root', root],
    ['an identity provider', idp],
  ])('by %s is told on as it is, to who may read it', async (_who, key) => {
    const raw = await newer(key);
    const passedOn = async (...off: string[]) => {
      const [one, other] = [await openBook(off), await openBook(off)];
      await one.learn({ charters: [bundle.charter], revocations: [raw] });
      await other.learn(one.page());
      return [one.page().revocations, other.revoked.length];
    };
    expect(await passedOn()).toEqual([[raw], 1]);
    // Control: a page of what this version can read, alone.
    expect(await passedOn('newer-told')).toEqual([[], 0]);
  });

  it.each([
    ['the root', root],
    ['an identity provider', idp],
  ])('by %s is not taken for one that the controller keeps back', async (_who, key) => {
    const raw = await newer(key);
    const logged = await makeProject({
      log: (all) => [...all, leaves.revocation(claimedIdOf(raw) ?? '')],
    });
    const draft = encodeBundle(logged.draft);
    expect(await answerOf(logged, draft, { all: [raw] })).toBe('DOC_NEWER');
    expect(await answerOf(logged, draft, { all: [] })).toBe('REVOCATION_WITHHELD');
  });

  it('by a key that the root has ended counts no more, and is known as a leaf that is not waited for', async () => {
    const raw = await newer(idp);
    const id = claimedIdOf(raw) ?? '';
    const end = { iss: root.id, project, what: ofIdp, since: 99, reason: 'stolen', iat: at };
    const { raw: ended } = await signMessage('revocation', end, root.signer);
    const book = await openBook([]);
    await book.learn({ charters: [bundle.charter], revocations: [ended] });
    const again = { charters: [bundle.charter], revocations: [raw] };
    await book.learn(again);
    expect(book.has(id)).toBe(false);
    await book.learn(again, undefined, new Set([id]));
    expect([book.has(id), book.revoked.length]).toEqual([true, 1]);
  });

  it('is kept a few times at most', async () => {
    const many = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const what = { kind: 'operator', id: `o${n}` };
        const payload = { iss: root.id, project, what, since: 0, reason: 'x', iat: at, v: 99 };
        const header = { alg: 'Ed25519', typ: typOf('revocation'), kid: root.id } as const;
        return root.signer.jws(header, toUtf8(canonicalText(payload as never)));
      }),
    );
    const { now, list } = await told(...many);
    expect([now, list.length]).toEqual(['DOC_NEWER', 8]);
  });
});
