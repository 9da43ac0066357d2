import { describe, expect, it } from 'vitest';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { joseDocuments } from '../../../src/node/ports.ts';
import { encodeBundle, leaves, type Revocation, signMessage } from '../../../src/protocol/documents/index.ts';
import { openRevocations } from '../../../src/protocol/judge/index.ts';
import {
  controller,
  idp,
  keyRevoked,
  makeCharter,
  makeProject,
  project,
  revocationBy,
  root,
  testKey,
  trusted,
} from '../../support/project.ts';
import { verifyWithout } from './attack.ts';
import { answerOf } from './withheld.ts';

const mallory = testKey('mallory');
const revocation = async (by: NodeKey, what: Revocation['what'], over: Partial<Revocation> = {}) =>
  (await revocationBy(by, what, over)).raw;
const charter = async (by = root, over: Parameters<typeof makeCharter>[0] = {}) =>
  (await signMessage('charter', { ...makeCharter(over), iss: by.id }, by.signer)).raw;
const held = async (charters: string[], revocations: string[]) => {
  const { opened, refused } = await openRevocations({ charters, revocations }, project, joseVerifier);
  return [opened.length, ...refused.map(({ code }) => code)];
};

describe('a revocation by somebody without the right to it', () => {
  const ada = { kind: 'operator', id: 'ada' } as const;
  it.each([
    [
      'a stranger',
      'REVOCATION_ISSUER_MISMATCH',
      async () => [await charter(), await revocation(mallory, ada)],
    ],
    [
      'the controller',
      'REVOCATION_ISSUER_MISMATCH',
      async () => [await charter(), await revocation(controller, ada)],
    ],
    [
      'a stranger with a charter of his own',
      'CHARTER_ISSUER_MISMATCH',
      async () => [await charter(mallory, { idps: [mallory.id] }), await revocation(mallory, ada)],
    ],
    [
      "the identity provider, of the trusted worker's key",
      'REVOCATION_NEEDS_ROOT',
      async () => [await charter(), await revocation(idp, { kind: 'key', id: trusted.id })],
    ],
    [
      'the identity provider of another project',
      'REVOCATION_PROJECT_MISMATCH',
      async () => [await charter(), await revocation(idp, ada, { project: mallory.id })],
    ],
  ])('%s is not believed: %s', async (_who, code, make) => {
    const [one = '', two = ''] = await make();
    const [opened, ...codes] = await held([one], [two]);
    expect(opened).toBe(0);
    expect(codes).toContain(code);
  });
  it('hides no other: what holds beside it is taken', async () => {
    const all = [await revocation(mallory, ada), await revocation(idp, ada), await revocation(root, ada)];
    expect((await held([await charter()], all))[0]).toBe(2);
  });
  it('a thief of the identity provider’s key does not void signatures of the charter’s keys', async () => {
    const { bundle } = await makeProject();
    const stolen = (byRoot: boolean) => ({ revocations: [keyRevoked(trusted.id, 0, byRoot)] });
    expect(await verifyWithout([], bundle, stolen(false))).toMatchObject({ ok: true, level: 'trusted' });
    // Control: the root's word does.
    expect(await verifyWithout([], bundle, stolen(true))).toMatchObject({ ok: false });
  });
});

describe('a revoked artifact', () => {
  it('is refused, with the guard on', async () => {
    const { bundle, artifact } = await makeProject();
    const what = { kind: 'artifact', id: artifact ?? '' } as const;
    const revocations = [{ what, since: 0, reason: 'phones home', byRoot: false }];
    expect(await verifyWithout([], bundle, { revocations })).toMatchObject({ code: 'ARTIFACT_REVOKED' });
    // Control: whoever does not ask uses it.
    expect(await verifyWithout([], bundle)).toMatchObject({ ok: true, level: 'trusted' });
  });
});

describe('a controller that keeps a revocation from the trusted worker', () => {
  const zoe = { kind: 'operator', id: 'zoe' } as const;

  it('gets no signature, as the log holds it', async () => {
    const raw = await revocation(idp, zoe);
    const { id } = await joseDocuments.message('revocation', raw);
    const logged = await makeProject({ log: (all) => [...all, leaves.revocation(id)] });
    expect(await answerOf(logged, encodeBundle(logged.draft), { all: [] })).toBe('REVOCATION_WITHHELD');
    expect(await answerOf(logged, encodeBundle(logged.draft), { all: [raw] })).toBe('OK');
  });
  it('and one of an operator that counts is counted', async () => {
    const made = await makeProject({ runs: [{ operator: 'ada' }, { operator: 'bob' }] });
    const raw = await revocation(idp, { kind: 'operator', id: 'ada' });
    const { id } = await joseDocuments.message('revocation', raw);
    const logged = await makeProject({
      runs: [{ operator: 'ada' }, { operator: 'bob' }],
      log: (all) => [...all, leaves.revocation(id)],
    });
    expect(await answerOf(logged, encodeBundle(logged.draft), { all: [raw] })).toBe('EVIDENCE_REVOKED');
    // Control: a log without it.
    expect(await answerOf(made, encodeBundle(made.draft), { all: [raw] })).toBe('OK');
  });
});
