import type { ErrorCode } from '../../protocol/base/errors.ts';
import type {
  Charter,
  Enrol,
  Grant,
  Invite,
  Possession,
  Revocation,
  Verified,
} from '../../protocol/documents/index.ts';

/** `token` identifies the request to which the effect `reply` is the answer. */
export type IdpEvent =
  /** `key`: the one it signs with from now on. `grantMs`: lifetime of a grant. */
  | { kind: 'started'; charter: Verified<Charter>; key: string; grantMs: number }
  | { kind: 'charter'; charter: Verified<Charter> }
  /**
   * A controller, whose connection proves its key `by`, asks for a grant. `enrolled`: the log index at which it says that the operator was first
   * admitted. With an invite the key is enrolled first; `at`: the size of the log then, absent from older controllers.
   */
  | {
      kind: 'grant';
      token: string;
      by: string;
      enrol: Verified<Enrol>;
      invite?: Verified<Invite>;
      possession?: Verified<Possession>;
      enrolled: number;
      at?: number;
    }
  | { kind: 'revoked'; revocation: Verified<Revocation> };

export type IdpReply =
  | { kind: 'error'; code: ErrorCode; message: string; hint?: string }
  | { kind: 'grant'; grant: Grant };

export interface IdpEffect {
  kind: 'reply';
  token: string;
  reply: IdpReply;
}
