/** Error codes of keys, invites and tickets: what each means and what to do. docs/errors.md is made from it. */
const identityErrors = {
  INVITE_NEEDS_KEY:
    'An invite for a trusted worker must name its key. Make the key on that host first and put its id into the charter.',
  INVITE_TOO_LONG: 'The invite would last longer than an invite may.',
  KEY_FILE_EXISTS: 'A key file is already there; a key is never overwritten.',
  KEY_FILE_EXPOSED:
    'Other users can read or write the key file. `chmod 600` it and, if others use this host, make a new key.',
  KEY_FILE_INVALID: 'The file holds no Ed25519 private key in PEM form.',
  KEY_FILE_MISSING: 'The key file cannot be read. Check its path and permissions.',
  KEY_FILE_UNWRITABLE:
    'The key file cannot be written. Its folder must be writable by you and lie on a disk with room; `--home` names another.',
  TICKET_MALFORMED: 'This is not a whole ticket. Copy it again, all of it.',
  TICKET_UNKNOWN_VERSION: 'The ticket is of a newer form. Update Quorate.',
} as const;

export type IdentityErrorCode = keyof typeof identityErrors;

declare module '../core/errors.ts' {
  interface ErrorCodes extends Record<IdentityErrorCode, string> {}
}
