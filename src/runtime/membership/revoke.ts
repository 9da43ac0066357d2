import { type RevocationTarget, signMessage } from '../../core/documents/index.ts';
import { codeOf, QuorateError } from '../../core/errors.ts';
import { isNamed, type RevocationList } from '../../core/judge/index.ts';
import { isConnectionError } from '../../core/sessions/ask.ts';
import type { NodeKey } from '../../identity/keys.ts';
import { openMesh } from '../../mesh/index.ts';
import { meshDial } from '../node/ports.ts';
import { ask } from './credentials.ts';
import { byPeer } from './join.ts';
import { type ProjectFolder, readCharter } from './project-folder.ts';
import { openRevocationBook } from './revocation-file.ts';

const askMsMax = 30_000;

export interface Revoking {
  what: RevocationTarget;
  /** Log index; by default the size of the log for operators and keys, and 0 for the rest. */
  since?: number;
  reason: string;
  signal: AbortSignal;
}

/**
 * Signs a revocation and has the controller take it: with the identity provider's key, or with the root key for a key that
 * the charter names. In the folder of an identity provider apart it holds there too, also where the controller cannot be reached.
 * `index`: of its leaf. `list`: to hand on.
 * Errors: `REVOCATION_…`, `CONTROLLER_…`, `MESH_…`.
 */
export async function revoke(
  folder: ProjectFolder,
  { what, since, reason, signal }: Revoking,
): Promise<{ index: number; since: number; byRoot: boolean; list: RevocationList }> {
  // Read again: another command may have changed it since the folder was opened.
  const charter = await readCharter(folder.dir);
  const byRoot = what.kind === 'key' && isNamed(charter?.payload ?? folder.charter, what.id);
  if (byRoot && folder.root === undefined)
    throw new QuorateError(
      'REVOCATION_NEEDS_ROOT',
      `the charter names ${what.id}; only the root key revokes it, and it is not in this folder`,
      { hint: `Put root.key into ${folder.dir} for this one command.` },
    );
  const address = await folder.address();
  if (address === undefined)
    throw new QuorateError('CONTROLLER_UNREACHABLE', 'the controller of this project has not run yet', {
      hint: 'Start it: quorate controller',
    });
  const controllers = byPeer(address.addrs);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(askMsMax)]);
  // A key of its own: whoever brings a revocation does not matter.
  const { generateSeed } = await import('../../identity/keys.ts');
  const mesh = await openMesh({
    ...{ key: generateSeed(), listen: [], bootstrap: [], topics: [], role: 'node' },
  });
  const dial = meshDial(mesh, limit);
  try {
    const whole = what.kind !== 'operator' && what.kind !== 'key';
    const from = since ?? (whole ? 0 : await logSize());
    const sign = async ({ signer }: NodeKey) => {
      const iat = Math.floor(Date.now() / 1000);
      const payload = { iss: signer.id, project: folder.project, what, since: from, reason, iat };
      const { raw } = await signMessage('revocation', payload, signer);
      const bySelf = signer.id === folder.project;
      const list = { charters: bySelf ? [] : [charter?.raw ?? folder.charterJws], revocations: [raw] };
      let answered: Awaited<ReturnType<typeof ask>>;
      try {
        answered = await ask(dial, controllers, { kind: 'revoke', revocation: raw }, limit);
      } catch (error) {
        // No more grants, whether the controller hears of it now or later.
        if (isConnectionError(error)) await keepForIdp(folder, list);
        throw error;
      }
      const { answer } = answered;
      if (answer.kind !== 'revoked') throw unexpected(answer.kind);
      await keepForIdp(folder, list);
      return { index: answer.index, since: from, byRoot: bySelf, list };
    };
    const { root } = folder;
    if (byRoot && root !== undefined) return await sign(root);
    return await sign(folder.idp).catch((error: unknown) => {
      // A charter of before named the key, which the controller knows from its log.
      if (root !== undefined && codeOf(error) === 'REVOCATION_NEEDS_ROOT') return sign(root);
      throw error;
    });
  } finally {
    await mesh.close();
  }

  async function logSize(): Promise<number> {
    const { answer } = await ask(dial, controllers, { kind: 'log', from: Number.MAX_SAFE_INTEGER }, limit);
    if (answer.kind !== 'leaves') throw unexpected(answer.kind);
    return answer.size;
  }
}

/** In the folder of an identity provider apart, whose process reads it there. Errors: `HOME_…`. */
async function keepForIdp({ dir, project, holds }: ProjectFolder, list: RevocationList): Promise<void> {
  if (holds.controller) return;
  const book = await openRevocationBook(dir, project);
  await book.learn(list);
}

const unexpected = (kind: string): QuorateError =>
  new QuorateError('CONTROLLER_UNEXPECTED_ANSWER', `the controller answered with ${kind}`, {
    hint: 'It may run another version: update both.',
  });
