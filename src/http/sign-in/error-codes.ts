/** Error codes of signing in at a web service: what each means and what to do. */
const signInErrors = {
  SIGN_IN_BUSY: 'As many people are signed in as the service has room for. Try again later.',
  SIGN_IN_CHALLENGE:
    'The challenge that the key signed is not one of this service, is over a minute old, or was answered before. Run `quorate login` again.',
  SIGN_IN_CODE: 'The one-time code or link is unknown, expired or used. Start again.',
  SIGN_IN_CSRF:
    'The request did not come from a page of this service, or its form is of an earlier session. Load the page again.',
  SIGN_IN_KEY_REFUSED:
    'The key does not sign in here: it has no grant as publisher or reader that holds, or is revoked.',
  SIGN_IN_NO_ROLE:
    'The person is known, and no rule of the owner gives them a role. The owner decides in sign-in.toml.',
  SIGN_IN_REQUEST: 'A request to sign in lacks a part, or has one that is not possible.',
  SIGN_IN_REQUIRED: 'Sign in first.',
  SIGN_IN_ROLE: 'This needs another role than the one that the person is signed in with.',
  SIGN_IN_SERVICE_REFUSED:
    'The identity provider does not know this service, or its word does not hold. Its origin has to be under `services` in the sign-in.toml of the identity provider.',
  SIGN_IN_STATE:
    'This sign-in was not begun in this browser, is over ten minutes old, or was used before. Start again at /sign-in.',
  SIGN_IN_UNAVAILABLE: 'The service has no way to sign in of that kind.',
} as const;

export type SignInErrorCode = keyof typeof signInErrors;

declare module '../../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<SignInErrorCode, string> {}
}
