/** Error codes of the bootstrap node: what each means and what to do. */
const bootstrapErrors = {
  BOOTSTRAP_KEY_INVALID:
    'The key file holds no key of 64 hexadecimal digits, or another one than its checksum is of. Put it back from a copy, or move it away to have a new key made; the address of the node changes with it.',
  BOOTSTRAP_KEY_UNREADABLE:
    'The key file cannot be read or made. Give this user the right to read and write there, or name another place with `--key`.',
} as const;

export type BootstrapErrorCode = keyof typeof bootstrapErrors;

declare module '../src/protocol/base/errors.ts' {
  interface ErrorCodes extends Record<BootstrapErrorCode, string> {}
}
