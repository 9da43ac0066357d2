import { beforeAll, describe, expect, it } from 'vitest';
import { type Bundle, canonicalText, typOf } from '../../../src/core/documents/index.ts';
import { RevocationBook, type StoredRevocations } from '../../../src/core/sessions/revocation-book.ts';
import { toUtf8 } from '../../../src/core/text.ts';
import { verifyBundle } from '../../../src/core/trust/index.ts';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { at, idp, project, root } from '../../support/documents.ts';
import { makeProject } from '../../support/project.ts';

let bundle: Bundle;
beforeAll(async () => {
  ({ bundle } = await makeProject());
});

/** A revocation of a version that nobody reads yet, as `key` signs it in the name of `kid`. */
function newer(key: NodeKey, kid = key.id): Promise<string> {
  const what = { kind: 'key', id: idp.id };
  const payload = { iss: kid, project, what, since: 0, reason: 'stolen', iat: at, v: 99 };
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
  await book.learn({ charters: [bundle.charter], revocations }, 1);
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

  it('by any other key, or that the root did not sign, is nothing', async () => {
    for (const raw of [await newer(idp), await newer(idp, root.id)])
      expect(await told(raw)).toEqual({ now: 'accepted', later: 'accepted', list: [] });
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
