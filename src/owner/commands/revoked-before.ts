import type { RevocationTarget } from '../../protocol/documents/index.ts';
import { codeOf } from '../../protocol/base/errors.ts';
import type { RevokedAnswer } from '../../controller/node/control.ts';
import type { ProjectFolder } from '../project-folder.ts';

/** The revocation of this that the controller has taken. Where no controller runs from this folder nobody knows: null. */
export async function revokedBefore(
  { dir }: Pick<ProjectFolder, 'dir'>,
  what: RevocationTarget,
): Promise<RevokedAnswer['revoked']> {
  const { askController } = await import('../../controller/node/control.ts');
  try {
    return (await askController(dir, { do: 'revoked', what })).revoked;
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
