import { describe, expect, it } from 'vitest';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { type Charter, type Revocation, signMessage } from '../../../src/protocol/documents/index.ts';
import { openRevocations } from '../../../src/protocol/judge/index.ts';
import { at, controller, idp, makeCharter, project, root, testKey } from '../../support/documents.ts';

const mallory = testKey('mallory');

const revocation = async (by: NodeKey, over: Partial<Revocation> = {}) => {
  const what = { kind: 'operator', id: 'eve' } as const;
  const said: Revocation = { iss: by.id, project, what, since: 0, reason: 'malware', iat: at, ...over };
  return (await signMessage('revocation', said, by.signer)).raw;
};
const charter = async (over: Partial<Charter> = {}, by = root) =>
  (await signMessage('charter', makeCharter({ iss: by.id, ...over }), by.signer)).raw;

describe('revocations that anybody may have brought', () => {
  const open = async (revocations: string[], charters: string[] = []) => {
    const found = await openRevocations({ charters, revocations }, project, joseVerifier);
    return {
      opened: found.opened.map((one) => [one.revocation.signer, one.charter]),
      refused: found.refused.map(({ code }) => code),
      unread: found.unread.length,
    };
  };

  it('hold where the root signed them, or an identity provider of a charter that is there', async () => {
    const beside = await charter();
    expect(await open([await revocation(root)])).toMatchObject({ opened: [[root.id, null]], refused: [] });
    expect(await open([await revocation(idp)], [beside])).toMatchObject({
      opened: [[idp.id, beside]],
      refused: [],
    });
  });

  it.each<[string, () => Promise<[string[], string[]]>, string]>([
    [
      'of a key that no charter beside them names',
      async () => [[await revocation(idp)], []],
      'REVOCATION_ISSUER_MISMATCH',
    ],
    [
      'of another key than those of a charter',
      async () => [[await revocation(mallory)], [await charter()]],
      'REVOCATION_ISSUER_MISMATCH',
    ],
    [
      'of a key that the charter names for something else',
      async () => [[await revocation(controller)], [await charter()]],
      'REVOCATION_ISSUER_MISMATCH',
    ],
    [
      'of another project',
      async () => [[await revocation(root, { project: mallory.id })], []],
      'REVOCATION_PROJECT_MISMATCH',
    ],
    [
      'of a key that only the root revokes',
      async () => [[await revocation(idp, { what: { kind: 'key', id: controller.id } })], [await charter()]],
      'REVOCATION_NEEDS_ROOT',
    ],
    [
      'that say which others stay, which only the root does',
      async () => [
        [await revocation(idp, { what: { kind: 'key', id: mallory.id }, v: 2, keeps: ['a'.repeat(64)] })],
        [await charter()],
      ],
      'REVOCATION_NEEDS_ROOT',
    ],
    ['that are none', async () => [['a.b.c'], []], 'DOC_'],
  ])('are refused %s, and hide nothing else', async (_name, make, code) => {
    const [revocations, charters] = await make();
    const found = await open([...revocations, await revocation(root)], charters);
    expect(found.opened).toEqual([[root.id, null]]);
    expect(found.refused).toEqual([expect.stringMatching(`^${code}`)]);
  });

  it.each([
    ['that another key than the root signed', {}, mallory, 'CHARTER_ISSUER_MISMATCH'],
    ['of another project', { project: mallory.id }, mallory, 'CHARTER_PROJECT_MISMATCH'],
  ])('do not hold under a charter %s', async (_name, over, by, code) => {
    expect(await open([await revocation(idp)], [await charter(over, by)])).toEqual({
      opened: [],
      unread: 0,
      refused: [code, 'REVOCATION_ISSUER_MISMATCH'],
    });
  });

  it('are not refused for a fault of the one who opens them', async () => {
    const broken = { ...joseVerifier };
    for (const name of Object.keys(broken))
      Object.assign(broken, {
        [name]: () => {
          throw new TypeError('no memory');
        },
      });
    const opened = openRevocations({ charters: [], revocations: [await revocation(root)] }, project, broken);
    await expect(opened).rejects.toThrow(TypeError);
  });
});
