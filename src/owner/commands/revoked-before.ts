import { codeOf } from '../../protocol/base/errors.ts';
import type { RevocationTarget } from '../../protocol/documents/index.ts';
import type { RevokedAnswer } from '../controller-socket.ts';
import type { ProjectFolder } from '../project-folder.ts';

/** The revocation of this that the controller has taken. Where no controller runs from this folder nobody knows: null. */
export async function revokedBefore(
  { dir }: Pick<ProjectFolder, 'dir'>,
  what: RevocationTarget,
): Promise<RevokedAnswer['revoked']> {
  const { askRunning } = await import('../controller-socket.ts');
  try {
    return (await askRunning<RevokedAnswer>(dir, { do: 'revoked', what })).revoked;
  } catch (error) {
    if (
      ['CONTROLLER_NOT_RUNNING', 'CONTROLLER_STARTING', 'CONTROL_LOST', 'CONTROL_REQUEST_INVALID'].includes(
        codeOf(error),
      )
    )
      return null;
    throw error;
  }
}
