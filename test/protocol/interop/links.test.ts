import { beforeAll, describe, expect, it } from 'vitest';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import type { Bundle } from '../../../src/protocol/documents/index.ts';
import { linksOf, makeProvenance, signLayout, signProvenance } from '../../../src/protocol/interop/index.ts';
import { type VerifiedFacts, verifyBundle } from '../../../src/protocol/trust/index.ts';
import { makeJob, makeProject, project, root, testKey, trusted, workerKey } from '../../support/project.ts';

let bundle: Bundle;
let facts: VerifiedFacts;
beforeAll(async () => {
  bundle = (await makeProject()).bundle;
  const verified = await verifyBundle(bundle, { project }, joseVerifier);
  if (verified.facts === null) throw new Error('the evidence holds');
  facts = verified.facts;
});
const code = (value: string) => expect.objectContaining({ code: value });

describe('in-toto links of evidence', () => {
  it('are those of one worker of each operator that counts, and of the trusted worker', async () => {
    const { builders, trusted: own } = await linksOf(bundle, facts, joseVerifier);
    expect(builders.map(({ operator }) => operator).sort()).toEqual([...facts.operators].sort());
    expect(own.map(({ worker }) => worker)).toEqual([trusted.id]);
    for (const { file } of builders) expect(file).toMatch(/^build\.[0-9a-f]{8}\.link$/);
    for (const { file } of own) expect(file).toMatch(/^trusted-build\.[0-9a-f]{8}\.link$/);
  });

  it('are enough where as many are there as have to agree, and too few with one less', async () => {
    const links = (agree: number, over: Partial<VerifiedFacts> = {}) =>
      linksOf(bundle, { ...facts, policy: { ...facts.policy, agree }, ...over }, joseVerifier);
    const { length } = facts.operators;
    expect((await links(length)).builders).toHaveLength(length);
    await expect(links(length + 1)).rejects.toEqual(code('EXPORT_NO_LINKS'));
    // The link of the trusted worker that signed is missing.
    await expect(links(length, { cosigners: [testKey('second').id] })).rejects.toEqual(
      code('EXPORT_NO_LINKS'),
    );
    expect((await links(length, { cosigners: [] })).trusted).toEqual([]);
  });

  it('leave out a worker whose signature of its link does not fit', async () => {
    const without = { ...joseVerifier, raw: joseVerifier.raw.bind(joseVerifier) };
    const liar = workerKey(facts.operators[0] ?? '').id;
    const verifier = {
      ...without,
      raw: async (message: Uint8Array, signature: Uint8Array, signer: string) =>
        !(signer === liar && Buffer.from(message).includes('"_type":"link"')) &&
        joseVerifier.raw(message, signature, signer),
    };
    await expect(
      linksOf(bundle, { ...facts, policy: { ...facts.policy, agree: facts.operators.length } }, verifier),
    ).rejects.toEqual(code('EXPORT_NO_LINKS'));
  });

  it('are none of a test, of no artifact, and of no operators', async () => {
    const refused = (over: Partial<VerifiedFacts>) => linksOf(bundle, { ...facts, ...over }, joseVerifier);
    await expect(refused({ kind: 'test' })).rejects.toEqual(code('ARTIFACT_OF_TEST'));
    await expect(refused({ artifact: null })).rejects.toEqual(code('EXPORT_NOTHING_BUILT'));
    await expect(refused({ operators: [] })).rejects.toEqual(code('EXPORT_NOTHING_BUILT'));
  });
});

describe('the statement that is signed for other tools', () => {
  it('is a provenance of an artifact, and of nothing else', async () => {
    const made = { project, facts, job: makeJob(), index: undefined };
    const provenance = makeProvenance(made);
    expect(provenance.predicate.runDetails.metadata.finishedOn).toBe(facts.time);
    expect(() => makeProvenance({ ...made, facts: { ...facts, artifact: null } })).toThrow(
      code('EXPORT_NOTHING_BUILT'),
    );
    const envelope = JSON.parse(await signProvenance(provenance, root.signer));
    expect(envelope.signatures).toEqual([{ keyid: root.id, sig: expect.stringMatching(/^[\w+/]{86}==$/) }]);
    expect(JSON.parse(Buffer.from(envelope.payload, 'base64').toString())).toEqual(provenance);
  });

  it('is a layout with a signature', async () => {
    const layout = { _type: 'layout', expires: '', inspect: [], keys: {}, readme: '', steps: [] } as const;
    const envelope = JSON.parse(await signLayout({ ...layout, inspect: [], steps: [] }, root.signer));
    expect(envelope.signatures[0].sig).toMatch(/^[\w+/]{86}==$/);
  });
});
