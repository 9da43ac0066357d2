export { CarDecoder, type VerifiedBlock } from './decode.ts';
export { encodeCar } from './encode.ts';
export type { TransferErrorCode } from './error-codes.ts';
export { fetchTree, TransferFailed } from './fetch.ts';
export { fetchBlock } from './fetch-block.ts';
export { messageBytesMax } from './frames.ts';
export { refusedTransfer, serveTrees } from './serve.ts';
export type {
  Alloc,
  BlockSink,
  BlockSource,
  FetchOptions,
  FetchResult,
  Pipe,
  Provider,
  ServedBlocks,
} from './types.ts';
