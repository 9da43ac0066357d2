/** Not a coded error: on an error of this name Bitswap answers "do not have" and goes on with the peer's other wants. */
export class BlockNotFound extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'NotFoundError';
  }
}
