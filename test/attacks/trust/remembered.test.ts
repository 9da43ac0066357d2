import { describe, expect, it } from 'vitest';
import { joseVerifier, plainVerifier } from '../../../src/identity/verifier.ts';
import { toUtf8 } from '../../../src/protocol/base/text.ts';
import {
  addSignature,
  type Bundle,
  checkTime,
  cosignStatement,
  DocumentMemory,
  decodeBundle,
  decodeJob,
  encodeBundle,
  openMessage,
  signMessage,
  type Verifier,
} from '../../../src/protocol/documents/index.ts';
import { InputBundles, LogView, verifyInputs } from '../../../src/protocol/trust/index.ts';
import { type Expected, verifyBy } from '../../../src/protocol/trust/verify.ts';
import {
  at,
  keyRevoked,
  makeGrant,
  makeProject,
  project,
  publisher,
  type Recipe,
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

describe('a remembered verification does not hold', () => {
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

describe('an input whose evidence held once', () => {
  /** A verifier that remembers bundles of inputs and no document, and how many signatures it was asked about. */
  function remembering() {
    let asked = 0;
    const verifier: Verifier = {
      jws: (...given) => {
        asked++;
        return plainVerifier.jws(...given);
      },
      raw: (...given) => {
        asked++;
        return plainVerifier.raw(...given);
      },
      bundles: new DocumentMemory(1_000_000),
    };
    const verify = (bundle: Bundle, over: Partial<Expected> = {}) =>
      verifyBy(new Set(), 'whole', decodeBundle(encodeBundle(bundle)), { project, ...over }, verifier);
    return { verify, verifier, asked: () => asked };
  }
  /** A package that reads a program that reads a library, whose bundle held a moment ago. */
  async function held(recipe: Recipe = {}) {
    const lib = await makeProject({ job: { name: 'lib' }, ...recipe });
    const app = await makeProject({ job: { name: 'app' }, reads: { lib: { from: lib } }, after: lib });
    const pack = await makeProject({ job: { name: 'pack' }, reads: { app: { from: app } }, after: app });
    const { verify, verifier, asked } = remembering();
    expect(await verify(pack.bundle)).toMatchObject({ ok: true, level: 'trusted' });
    return { lib, app, pack, verify, verifier, asked };
  }

  it('is not verified again', async () => {
    const { pack, verify, asked } = await held();
    const first = asked();
    expect(await verify(pack.bundle)).toMatchObject({ ok: true, level: 'trusted' });
    expect(asked() - first).toBeLessThan(first / 2);
  });

  it('holds no longer once what it rests on, or itself, is revoked', async () => {
    const { lib, app, pack, verify } = await held();
    const why = { since: 0, reason: 'bad', byRoot: true };
    for (const id of [lib.jobId, app.jobId]) {
      const revocations = [{ what: { kind: 'job', id } as const, ...why }];
      expect(await verify(pack.bundle, { revocations })).toMatchObject({ code: 'INPUT_NOT_VERIFIED' });
    }
    expect(await verify(pack.bundle)).toMatchObject({ ok: true });
  });

  it('holds no longer with other evidence of what it rests on, or without any', async () => {
    const { lib, pack, verify } = await held();
    const others = (pack.bundle.inputs ?? []).filter(({ request }) => request !== lib.bundle.request);
    expect(await verify({ ...pack.bundle, inputs: others })).toMatchObject({ code: 'INPUT_NOT_VERIFIED' });
    const { inputs: _, ...uncosigned } = lib.draft;
    const worse = { ...pack.bundle, inputs: [...others, uncosigned] };
    expect(await verify(worse)).toMatchObject({ code: 'INPUT_NOT_VERIFIED' });
  });

  it('is refused with a part of it changed', async () => {
    const { app, pack, verify } = await held();
    for (const part of ['verdict', 'checkpoint'] as const) {
      const inputs = (pack.bundle.inputs ?? []).map((input) =>
        input.request === app.bundle.request ? { ...input, [part]: app.draft[part] } : input,
      );
      expect(await verify({ ...pack.bundle, inputs })).toMatchObject({ code: 'INPUT_NOT_VERIFIED' });
    }
  });

  it('is compared with the leaves of the log, where there are some', async () => {
    const whole = await held();
    const { leaves } = whole.pack;
    expect(await whole.verify(whole.pack.bundle, { log: LogView.of(leaves) })).toMatchObject({ ok: true });
    // The log has a receipt that the evidence of the library leaves out.
    const { pack, verify } = await held({
      log: (lines) => {
        const [, offer = ''] =
          / offer (\S+)$/.exec(lines.find((line) => line.startsWith('receipt ')) ?? '') ?? [];
        return [...lines.slice(0, -1), `receipt ${'1'.repeat(64)} offer ${offer}`, ...lines.slice(-1)];
      },
    });
    expect(await verify(pack.bundle, { log: LogView.of(pack.leaves) })).toMatchObject({
      code: 'INPUT_NOT_VERIFIED',
    });
  });

  it('holds for its own project only', async () => {
    const { lib, app, verifier } = await held();
    const bundles = new InputBundles();
    bundles.add(lib.bundle);
    const order = { request: app.request, job: decodeJob(toUtf8(app.bundle.job)).job };
    const levels = { lib: 'trusted' };
    expect(await verifyInputs(bundles, order, { project }, verifier)).toEqual(levels);
    const other = verifyInputs(bundles, order, { project: testKey('mallory').id }, verifier);
    await expect(other).rejects.toMatchObject({ code: 'INPUT_NOT_VERIFIED' });
  });
});
