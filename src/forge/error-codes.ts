const forgeErrors = {
  FORGE_ANSWER_INVALID:
    'The forge answered with what its API does not describe, or with too much. Check that the address in `watch.toml` is that of its API, and its kind.',
  FORGE_DENIED:
    'The forge does not accept the token, or the token may not do this. Make one that may set statuses of commits and read pull requests, and put it into the token file.',
  FORGE_NOT_FOUND:
    'The forge has no such project or commit, or the token may not see it. Check `project` in `watch.toml`.',
  FORGE_REDIRECTED:
    'The forge redirects to another address. It is not followed, since the token would go there. Write the final address into `watch.toml`.',
  FORGE_REFUSED: 'The forge refused the request; the message quotes it.',
  FORGE_TOKEN_UNREADABLE:
    'The file with the token or the secret of the forge cannot be read, is empty, or others may read it. It must hold one line, and its mode must be 0600.',
  FORGE_UNREACHABLE:
    'The forge cannot be reached, or did not answer in time, or is too busy. It is tried again, ever more slowly.',
  WEBHOOK_FORGED:
    'The signature of a webhook is missing or not that of the secret. Nothing came of it. Check that both sides have the same secret.',
  WEBHOOK_INVALID: 'A webhook lacks what this kind of forge sends. Check `kind` in `watch.toml`.',
} as const;

export type ForgeErrorCode = keyof typeof forgeErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<ForgeErrorCode, string> {}
}
