import type { Checks } from '../../identity/oidc/provider.ts';
import type { SignInRole } from '../../identity/oidc/settings.ts';

/** The right that a session rests on: why this person may be here. Asked several times a second, so that it ends at once. */
export interface Right {
  /** A PeerId, or issuer and subject (`personOf`). */
  readonly person: string;
  /** For people to read. */
  readonly name: string;
  /** The operator whose key it is; absent for an account, which is of none. */
  readonly operator?: string;
  /** The role that the person has now; undefined once the right is gone, which is for good. */
  role(): SignInRole | undefined;
}

/** Another service that knows people: an OpenID Connect provider, or the identity provider of the project. */
export interface Authority {
  readonly host: string;
  /** Where a browser is sent, and what `finish` compares with. */
  begin(callback: string): Promise<{ url: URL; checks: Checks }>;
  /** The person, from the address that the browser came back to. A `QuorateError` where it does not hold. */
  finish(callback: URL, checks: Checks): Promise<Right>;
}
