import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { QuorateError } from '../../../src/protocol/base/errors.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import { versionIn } from '../../../src/protocol/documents/growth.ts';
import {
  canonicalText,
  decodeBundle,
  decodeEquivocation,
  decodeJob,
  documentVersions,
  encodeCanonical,
  idOf,
  openMessage,
  openStatement,
  sha256Hex,
  signMessage,
  signStatement,
} from '../../../src/protocol/documents/index.ts';
import { verifyBundle } from '../../../src/protocol/trust/index.ts';
import { makeJob } from '../../support/documents.ts';
import { controller, idp, makeGrant, makeProject, project, workerKey } from '../../support/project.ts';

const grant = makeGrant(workerKey('ada'), 'ada', 'worker');
const code = async (run: () => Promise<unknown>): Promise<string> => {
  try {
    await run();
    return 'ok';
  } catch (error) {
    if (error instanceof QuorateError) return error.code;
    throw error;
  }
};

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(null, true, false),
    fc.maxSafeInteger(),
    fc.string({ unit: 'grapheme' }),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ),
  object: fc.dictionary(
    fc.string({ unit: 'grapheme' }).filter((key) => !['/', '__proto__'].includes(key)),
    tie('value'),
    { maxKeys: 5 },
  ),
})).object as fc.Arbitrary<Record<string, unknown>>;

describe('the member `more`', () => {
  it('is kept byte for byte and is part of the id, where it has 4 KiB at most', async () => {
    const ids = new Set<string>();
    await fc.assert(
      fc.asyncProperty(plain, async (more) => {
        const fits = encodeCanonical(more).length <= 4096;
        const payload = { ...grant, more: structuredClone(more) };
        expect(await code(() => signMessage('grant', payload, idp.signer))).toBe(fits ? 'ok' : 'DOC_INVALID');
        if (!fits) return;
        const { raw } = await signMessage('grant', payload, idp.signer);
        const opened = await openMessage('grant', raw, joseVerifier);
        expect(canonicalText(opened.payload.more)).toBe(canonicalText(more));
        expect(opened.id).toBe(sha256Hex(toUtf8(canonicalText(payload))));
        expect(opened.id).toBe(idOf(opened.payload));
        ids.add(opened.id);
      }),
      { numRuns: 300 },
    );
    expect(ids.size).toBeGreaterThan(100);
  });

  it('is kept in a statement', async () => {
    const more = { note: 'é', deeper: [{ a: 1 }] };
    const { draft } = await makeProject();
    const { payload } = await openStatement('verdict', draft.verdict, joseVerifier);
    const facts = { ...payload.predicate.quorate_verdict, more };
    const grown = { ...payload, predicate: { ...payload.predicate, quorate_verdict: facts } };
    const { raw, id } = await signStatement('verdict', grown, controller.signer);
    const opened = await openStatement('verdict', raw, joseVerifier);
    expect(opened.payload).toEqual(grown);
    expect(opened.id).toBe(id);
    expect(id).toBe(idOf(grown));
  });

  it('changes nothing of what a bundle proves, whichever documents have it', async () => {
    const add = <T>(valid: T): T => ({ ...valid, more: { level: 'trusted', v: 9, agree: 1 } });
    const [bare, grown] = await Promise.all([
      makeProject(),
      makeProject({
        charter: add,
        request: add,
        publisherGrant: add,
        offer: add,
        lease: add,
        grant: add,
        facts: add,
        verdictFacts: add,
      }),
    ]);
    const [before, after] = await Promise.all(
      [bare, grown].map(({ bundle }) => verifyBundle(bundle, { project }, joseVerifier)),
    );
    expect(after?.code).toBeNull();
    expect(after?.level).toBe('trusted');
    const without = { ...before?.facts, request: '' };
    expect({ ...after?.facts, request: '' }).toEqual(without);
  });

  it('is no member of documents that have none: jobs, bundles and evidence of equivocation', async () => {
    const { bundle } = await makeProject();
    const refused = /Unrecognized key: "more"/;
    expect(() => decodeJob(encodeCanonical({ ...makeJob(), more: {} }))).toThrow(refused);
    expect(() => decodeBundle(canonicalText({ ...bundle, more: {} }))).toThrow(refused);
    const roots = { v: 1, kind: 'roots', charter: 'a', checkpoints: ['a', 'b'], more: {} };
    expect(() => decodeEquivocation(canonicalText(roots))).toThrow(refused);
  });
});

it('the version of a document is what it states, and 1 where it states none', () => {
  expect([versionIn('grant', {}), versionIn('grant', { v: 2 }), versionIn('grant', { v: 'a' })]).toEqual([
    1, 2, 1,
  ]);
  const nested = { predicate: { quorate_verdict: { v: 3 } }, v: 9 };
  expect([versionIn('verdict', nested), versionIn('receipt', nested)]).toEqual([3, 1]);
  expect([versionIn('grant', null), versionIn('verdict', { predicate: 1 })]).toEqual([1, 1]);
});

describe('a document of a newer version', () => {
  it('is refused with what to do, and whatever else is in it', async () => {
    const newer = { ...grant, v: 2, until: null, more: 'text' } as unknown as typeof grant;
    const header = { alg: 'Ed25519', typ: 'quorate-grant+jwt', kid: idp.id } as const;
    const raw = await idp.signer.jws(header, encodeCanonical(newer));
    await expect(openMessage('grant', raw, joseVerifier)).rejects.toMatchObject({
      code: 'DOC_NEWER',
      message: 'grant is of version 2, newer than this program',
      hint: 'It reads version 1: update Quorate here.',
    });
  });

  it('is refused of each kind that states its version without a signature', async () => {
    const { bundle } = await makeProject();
    const newer = { v: documentVersions.job + 1 };
    expect(await code(async () => decodeJob(encodeCanonical({ ...makeJob(), ...newer })))).toBe('DOC_NEWER');
    expect(await code(async () => decodeBundle(canonicalText({ ...bundle, ...newer })))).toBe('DOC_NEWER');
    expect(await code(async () => decodeEquivocation(canonicalText(newer)))).toBe('DOC_NEWER');
  });
});
