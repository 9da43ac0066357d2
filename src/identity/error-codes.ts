/** Error codes of keys, invites, tickets, OpenID Connect and sign-in.toml: what each means and what to do. */
const identityErrors = {
  INVITE_NEEDS_KEY:
    'An invite for a trusted worker must name its key. Create the key on the host of the trusted worker first (`quorate key`) and add its id to the charter.',
  INVITE_TOO_LONG: 'The requested validity of the invite exceeds the limit.',
  KEY_FILE_EXISTS: 'The key file exists; a key is never overwritten.',
  KEY_FILE_EXPOSED:
    'Other users can read or write the key file. `chmod 600` it and, if others use this host, create a new key.',
  KEY_FILE_INVALID: 'The file does not hold an Ed25519 private key in PEM format.',
  KEY_FILE_MISSING: 'The key file cannot be read. Check its path and permissions.',
  KEY_FILE_UNWRITABLE:
    'The key file cannot be written. Its folder must be writable for you and on a disk with free space; `--home` sets another.',
  TICKET_MALFORMED:
    'The text is not a complete ticket, was changed, or is not signed by the key it names. Copy it again, or ask the owner for a new one.',
  TICKET_UNKNOWN_VERSION: 'The ticket has a newer version. Update Quorate.',
  WEB_CRYPTO_MISSING:
    'The browser does not let the page check Ed25519 signatures. Open the page from a file, or use a newer browser.',
  OIDC_ANSWER_REFUSED:
    'What came back from the OpenID Connect provider does not hold: wrong issuer, audience, nonce, state, signature or time, or a code that was used before. Sign in again; if it happens again, the provider or the client registration is wrong.',
  OIDC_DENIED: 'The OpenID Connect provider refused the sign-in, or the person cancelled it there.',
  OIDC_PROVIDER_INVALID:
    'The OpenID Connect provider answers in a way that is not accepted: metadata of another issuer, an answer that is too long or redirects, or an address without TLS. Check `issuer` in sign-in.toml.',
  OIDC_PROVIDER_UNREACHABLE:
    'The OpenID Connect provider did not answer in time. Check `issuer` in sign-in.toml and the network; people can sign in with their key meanwhile.',
  OIDC_USER_INFO_REFUSED:
    'The OpenID Connect provider refuses the user information, which is asked for where the ID token lacks a claim that a rule names. Have the provider put the claim into the ID token, or add the scope that it is told for to `scopes` in sign-in.toml.',
  SIGN_IN_FILE_INVALID:
    'sign-in.toml is no TOML, or has a key or a value that is not possible. The message begins with file and line.',
  SIGN_IN_FILE_UNREADABLE:
    'sign-in.toml, or a file that it names, cannot be read, or others can read the client secret.',
} as const;

export type IdentityErrorCode = keyof typeof identityErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<IdentityErrorCode, string> {}
}
