import type { CID } from 'multiformats/cid';

/** Gives memory of just this size, with anything in it. */
export type Alloc = (size: number) => Uint8Array;

/** Blocks that peers may have: the public area of a store. */
export interface BlockSource {
  /** Verified bytes, in memory from `alloc` where they have to be read. Rejects for a block that is not there. */
  read(cid: CID, alloc?: Alloc): Promise<Uint8Array>;
  /** In the order they stand in the block. Throws for a block that no tree has. */
  links(cid: CID, bytes: Uint8Array): readonly CID[];
}

/** The same where peers are answered from it. */
export interface ServedBlocks extends BlockSource {
  /** Told of each root that a peer asks for. */
  asked(cid: CID): void;
}

/** Where fetched blocks go. */
export interface BlockSink extends BlockSource {
  /** Bytes of a block that is here, which then counts as used; undefined when it is not. */
  touch(cid: CID): number | undefined;
  /** Takes a verified block, its memory included; resolves when there is room for the next. */
  put(cid: CID, bytes: Uint8Array): Promise<unknown>;
}

/** What transfer needs of a channel: messages in order, with backpressure. */
export interface Pipe {
  send(message: Uint8Array): Promise<void>;
  receive(options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
  abort(reason: Error): void;
}

/** Somebody who may have the tree. */
export interface Provider {
  peer: string;
  open(signal: AbortSignal): Promise<Pipe>;
}

export interface FetchOptions {
  signal?: AbortSignal | undefined;
  /** Bytes of all distinct blocks, here already or not. */
  maxBytes?: number | undefined;
  maxBlocks?: number | undefined;
  /** A provider from which no verified block came for this long is dropped. */
  idleMs?: number | undefined;
  /** How long a provider may hold up others that have nothing left to do, before it is dropped if it is much slower. */
  slowMs?: number | undefined;
  /** Bytes of the tree present so far. */
  onProgress?: ((bytes: number) => void) | undefined;
}

export interface FetchResult {
  /** Of all distinct blocks of the tree. */
  bytes: number;
  blocks: number;
  /** New blocks each provider sent. */
  servedBy: Record<string, number>;
  /** Providers that are not asked any more, and why. */
  dropped: { peer: string; code: string; message: string }[];
}
