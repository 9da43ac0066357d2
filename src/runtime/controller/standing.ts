import type { Controller } from '../../core/controller/machine.ts';
import { memberRevoked } from '../../core/controller/revocations.ts';
import type { Charter, Grant } from '../../core/documents/index.ts';
import type { ProjectFolder } from '../membership/project-folder.ts';

/** Who of the project's members still is one, as of now. */
export interface MemberStanding {
  /** The charter in force. */
  charter(): Charter;
  /** Whether the key or the operator of a grant is revoked. */
  isRevoked(grant: Grant): boolean;
}

export function memberStanding({ state }: Controller, folder: ProjectFolder): MemberStanding {
  return {
    charter: () => state.charter?.payload ?? folder.charter,
    isRevoked: (grant) => memberRevoked(state, grant) !== undefined,
  };
}
