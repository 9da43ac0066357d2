export { CarDecoder, type VerifiedBlock } from './decode.ts';
export { encodeCar } from './encode.ts';
export type { TransferErrorCode } from './error-codes.ts';
export { fetchBlock, fetchTree, TransferFailed } from './fetch.ts';
export { messageBytesMax } from './frames.ts';
export { refusedTransfer, serveTrees } from './serve.ts';
export type * from './types.ts';
