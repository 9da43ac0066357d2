/** Error codes of the transfer protocol: what each means and what to do. */
const transferErrors = {
  STORE_TREE_TOO_DEEP:
    'A block lies too many links below the root of its tree. The tree was not written by a correct tool; do not use it.',
  TRANSFER_BLOCK_MISSING:
    'A peer does not have a block of the tree, or cannot read it. Another one is asked.',
  TRANSFER_EMPTY: 'A peer answered with no block at all. It is not asked again.',
  TRANSFER_ENDED: 'A transfer was ended because the fetch it was part of has ended.',
  TRANSFER_EXCESS_DATA: 'A peer sent more than was asked for. It is not asked again.',
  TRANSFER_FAILED:
    'No peer gave all of the tree; the message says what was wrong with each. Ask another peer; what has arrived is kept.',
  TRANSFER_HASH_MISMATCH:
    'A peer sent bytes that do not have the hash of their block. It is faulty or lies, and is not asked again.',
  TRANSFER_IDLE: 'A peer sent no block for too long. It is not asked again.',
  TRANSFER_INVALID:
    'A message of a transfer cannot be understood: the other side is faulty, or of another version.',
  TRANSFER_NO_PROVIDER: 'There is nobody to fetch the tree from. Connect to a peer that has it first.',
  TRANSFER_SLOW:
    'A peer held up the transfer while a much faster one had nothing to do; the rest is asked of that one.',
  TRANSFER_TRUNCATED:
    'A peer closed in the middle of what it was sending. What has arrived is kept; it is asked again, or another is.',
  TRANSFER_WRONG_BLOCK:
    'A peer sent another block than the one that was due. It is faulty or lies, and is not asked again.',
} as const;

export type TransferErrorCode = keyof typeof transferErrors;

declare module '../protocol/base/errors.ts' {
  interface ErrorCodes extends Record<TransferErrorCode, string> {}
}
