/** Error codes of OpenID Connect and of sign-in.toml: what each means and what to do. */
const oidcErrors = {
  OIDC_ANSWER_REFUSED:
    'What came back from the OpenID Connect provider does not hold: wrong issuer, audience, nonce, state, signature or time, or a code that was used before. Sign in again; if it happens again, the provider or the client registration is wrong.',
  OIDC_DENIED: 'The OpenID Connect provider refused the sign-in, or the person cancelled it there.',
  OIDC_PROVIDER_INVALID:
    'The OpenID Connect provider answers in a way that is not accepted: metadata of another issuer, an answer that is too long or redirects, or an address without TLS. Check `issuer` in sign-in.toml.',
  OIDC_PROVIDER_UNREACHABLE:
    'The OpenID Connect provider did not answer in time. Check `issuer` in sign-in.toml and the network; people can sign in with their key meanwhile.',
  SIGN_IN_FILE_INVALID:
    'sign-in.toml is no TOML, or has a key or a value that is not possible. The message begins with file and line.',
  SIGN_IN_FILE_UNREADABLE:
    'sign-in.toml, or a file that it names, cannot be read, or others can read the client secret.',
} as const;

export type OidcErrorCode = keyof typeof oidcErrors;

declare module '../../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<OidcErrorCode, string> {}
}
