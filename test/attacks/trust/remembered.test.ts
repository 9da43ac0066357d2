import { describe, expect, it } from 'vitest';
import {
  addSignature,
  checkTime,
  cosignStatement,
  decodeBundle,
  encodeBundle,
  openMessage,
  signMessage,
} from '../../../src/core/documents/index.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import {
  at,
  keyRevoked,
  makeGrant,
  makeProject,
  publisher,
  testKey,
  trusted,
  workerKey,
} from '../../support/project.ts';
import { verifyWithout } from './attack.ts';

/** A project whose bundle held a moment ago: this process remembers all of its documents. */
async function remembered() {
  const made = await makeProject();
  expect(await verifyWithout([], made.bundle)).toMatchObject({ ok: true, level: 'trusted' });
  return made;
}

describe('what held once holds no longer than what it rests on', () => {
  it.each([
    ['the key of the trusted worker', [trusted.id]],
    ['the keys of two workers', [workerKey('ada').id, workerKey('bob').id]],
    ['the key of the publisher', [publisher.id]],
  ])('%s: revoked after the documents were verified', async (_whose, ids) => {
    const { bundle } = await remembered();
    const revocations = ids.map((id) => keyRevoked(id, 0));
    expect(await verifyWithout([], bundle, { revocations })).toMatchObject({ ok: false });
    // Control: with the guard off it holds.
    expect(await verifyWithout(['key-revoked'], bundle, { revocations })).toMatchObject({ ok: true });
  });

  it('revoked operators, a revoked artifact', async () => {
    const { bundle, artifact } = await remembered();
    const why = { since: 0, reason: 'no', byRoot: true };
    const operators = ['ada', 'bob'].map((id) => ({ what: { kind: 'operator', id } as const, ...why }));
    expect((await verifyWithout([], bundle, { revocations: operators })).level).not.toBe('trusted');
    const revocations = [{ what: { kind: 'artifact', id: artifact ?? '' } as const, ...why }];
    expect(await verifyWithout([], bundle, { revocations })).toMatchObject({ code: 'ARTIFACT_REVOKED' });
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });

  it('for another project', async () => {
    const { bundle } = await remembered();
    expect(await verifyWithout([], bundle, { project: testKey('mallory').id })).toMatchObject({
      ok: false,
      code: 'CHARTER_PROJECT_MISMATCH',
    });
  });

  it('or for another artifact, repository or ref', async () => {
    const { bundle } = await remembered();
    const codes = await Promise.all(
      [{ artifact: 'bafy' }, { source: 'https://elsewhere.example/app.git' }, { ref: 'other' }].map(
        async (over) => (await verifyWithout([], bundle, over)).code,
      ),
    );
    expect(codes).toEqual(['ARTIFACT_MISMATCH', 'SOURCE_MISMATCH', 'REF_MISMATCH']);
  });

  it('a grant that ended since', async () => {
    const grant = await signMessage(
      'grant',
      makeGrant(testKey('ada'), 'ada', 'worker'),
      testKey('idp').signer,
    );
    const open = () => openMessage('grant', grant.raw, joseVerifier);
    checkTime((await open()).payload, at * 1000, 'the grant');
    const later = (at + 48 * 3600) * 1000;
    expect(
      await open()
        .then(({ payload }) => checkTime(payload, later, 'the grant'))
        .catch(({ code }) => code),
    ).toBe('DOC_EXPIRED');
  });

  it('with a document of another bundle in its place', async () => {
    const { bundle } = await remembered();
    const other = await makeProject({ request: (valid) => ({ ...valid, ref: 'refs/heads/other' }) });
    expect(await verifyWithout([], other.bundle)).toMatchObject({ ok: true });
    for (const part of ['request', 'verdict', 'checkpoint', 'offers', 'receipts'] as const)
      expect(await verifyWithout([], { ...bundle, [part]: other.bundle[part] })).toMatchObject({ ok: false });
    const mallory = testKey('mallory');
    const signature = await cosignStatement(bundle.verdict, mallory.signer);
    const cosigned = { ...bundle, verdict: addSignature(bundle.verdict, trusted.id, signature) };
    expect(await verifyWithout([], cosigned)).toMatchObject({ ok: false, code: 'DOC_BAD_SIGNATURE' });
    expect(await verifyWithout([], decodeBundle(encodeBundle(bundle)))).toMatchObject({ ok: true });
  });
});
