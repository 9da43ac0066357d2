import type { CID } from 'multiformats/cid';

/** Allocates memory of exactly `size` bytes with arbitrary content. */
export type Alloc = (size: number) => Uint8Array;

/** Blocks to serve: the public area of a store. */
export interface BlockSource {
  /** Verified bytes; `alloc` gives the memory for bytes read from disk. Rejects for a missing block. */
  read(cid: CID, alloc?: Alloc): Promise<Uint8Array>;
  /** Links of a block, in its order. @throws when it cannot be part of a tree */
  links(cid: CID, bytes: Uint8Array): readonly CID[];
}

export interface ServedBlocks extends BlockSource {
  /** Called for each root that a peer requests. */
  asked(cid: CID): void;
}

export interface BlockSink extends BlockSource {
  /** Bytes of a block that is here, and marks it as used; undefined when it is not here. */
  touch(cid: CID): number | undefined;
  /** Adds a verified block and takes over its memory. Resolves when the next block can be added. */
  put(cid: CID, bytes: Uint8Array): Promise<unknown>;
}

/** A channel of messages in order, with backpressure. */
export interface Pipe {
  send(message: Uint8Array): Promise<void>;
  receive(options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<Uint8Array | undefined>;
  /** Takes turns of the peer for work, and waits for them. Absent: it is not charged. */
  charge?(turns: number): Promise<void>;
  close(): Promise<void>;
  abort(reason: Error): void;
}

/** A peer that may have the tree. */
export interface Provider {
  peer: string;
  open(signal: AbortSignal): Promise<Pipe>;
}

export interface FetchOptions {
  signal?: AbortSignal | undefined;
  /** Limit in bytes of all distinct blocks, present ones included. */
  maxBytes?: number | undefined;
  /** Milliseconds without a verified block after which a provider is dropped. */
  idleMs?: number | undefined;
  /** Called with the bytes of the tree present so far. */
  onProgress?: ((bytes: number) => void) | undefined;
}

export interface FetchResult {
  /** Bytes of all distinct blocks of the tree. */
  bytes: number;
  blocks: number;
  /** Number of new blocks by provider. */
  servedBy: Record<string, number>;
  /** Dropped providers, each with the reason. `block`: which one was sent with other bytes. */
  dropped: { peer: string; code: string; message: string; block?: string }[];
}
