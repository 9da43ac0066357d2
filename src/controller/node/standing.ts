import type { ProjectFolder } from '../../owner/project-folder.ts';
import type { Charter, Grant } from '../../protocol/documents/index.ts';
import type { Controller } from '../machine/machine.ts';
import { isMember, memberRevoked } from '../machine/members/revocations.ts';

/** Members that are neither revoked nor dismissed, as of now. */
export interface MemberStanding {
  /** The charter in force. */
  charter(): Charter;
  /** Whether the key or the operator of a grant is revoked, or it joined with a ticket of a key that was not its owner's then. */
  isRevoked(grant: Grant): boolean;
}

export function memberStanding({ state }: Controller, folder: ProjectFolder): MemberStanding {
  return {
    charter: () => state.charter?.payload ?? folder.charter,
    isRevoked: (grant) => {
      const enrolled = state.keys.get(grant.sub);
      const isDismissed = enrolled !== undefined && !isMember(state, enrolled);
      return isDismissed || memberRevoked(state, grant) !== undefined;
    },
  };
}
