import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NodeKey } from '../../../src/identity/keys.ts';
import { joseVerifier } from '../../../src/identity/verifier.ts';
import { openRevocationBook, revocationFile } from '../../../src/node/membership/revocation-file.ts';
import { type Revocation, signMessage } from '../../../src/protocol/documents/index.ts';
import { RevocationBook, type StoredRevocations } from '../../../src/protocol/sessions/revocation-book.ts';
import { idp, makeCharter, makeProject, project, revocationBy, root } from '../../support/project.ts';
import { verifyWithout } from './attack.ts';

const charters = [(await signMessage('charter', makeCharter(), root.signer)).raw];
const sign = async (key: NodeKey, what: Revocation['what'], since = 0) =>
  (await revocationBy(key, what, { since })).raw;

/** Revocations as several processes of one home open them: a worker that runs, and commands. */
function home(...off: string[]) {
  let file: StoredRevocations | undefined;
  const load = async () => file;
  const save = async (stored: StoredRevocations) => {
    file = structuredClone(stored);
  };
  return () => RevocationBook.openBy(new Set(off), project, joseVerifier, { load, save });
}

describe('two processes of a home, of which one has a revocation that was given by hand', () => {
  /** A stolen key revokes anything, so that a worker writes what it knows. */
  async function attack(...off: string[]) {
    const { bundle, artifact } = await makeProject();
    const open = home(...off);
    const worker = await open();
    const command = await open();
    const ours = await sign(root, { kind: 'artifact', id: artifact ?? '' });
    await command.learn({ charters: [], revocations: [ours] });
    const theirs = await sign(idp, { kind: 'operator', id: 'nobody' });
    const { fresh } = await worker.learn({ charters, revocations: [theirs] });
    const { code } = await verifyWithout([], bundle, { revocations: (await open()).revoked });
    return [code, fresh.length];
  }

  it('do not forget it when the other writes, which acts on it from then on', async () => {
    expect(await attack()).toEqual(['ARTIFACT_REVOKED', 2]);
    // Control: each writes what it knows itself.
    expect(await attack('file-shared')).toEqual([null, 1]);
  });

  it('nor the end of a key, also where the other knows what that key revoked', async () => {
    const { bundle, artifact } = await makeProject();
    const open = home();
    const worker = await open();
    const theirs = { charters, revocations: [await sign(idp, { kind: 'artifact', id: artifact ?? '' })] };
    await worker.learn(theirs);
    const end = await sign(root, { kind: 'key', id: idp.id }, 99);
    await (await open()).learn({ charters: [], revocations: [end] });
    const { fresh } = await worker.learn(theirs, 1);
    expect(fresh).toHaveLength(1);
    for (const { revoked } of [worker, await open()])
      expect((await verifyWithout([], bundle, { revocations: revoked })).code).toBe(null);
  });

  it('a file that was damaged meanwhile is written anew', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'quorate-'));
    const worker = await openRevocationBook(dir, project);
    const learn = async (id: string) =>
      worker.learn({ charters: [], revocations: [await sign(root, { kind: 'operator', id })] });
    await learn('ada');
    await writeFile(revocationFile(dir, project), '{');
    await learn('ben');
    expect((await openRevocationBook(dir, project)).size).toBe(2);
  });
});
