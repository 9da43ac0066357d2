import type { CID } from 'multiformats/cid';
import { rawCode } from '../protocol/base/car.ts';
import { assert, type ErrorCode, QuorateError } from '../protocol/base/errors.ts';
import { limits } from '../protocol/base/limits.ts';
import { sizeText } from '../protocol/base/quantity.ts';
import type { Exchange, PeerSession } from './bitswap.ts';
import type { Blocks } from './blocks.ts';
import { storeLimits } from './limits.ts';
import { linksOf, readBlock } from './nodes.ts';

export interface PullOptions {
  /** PeerIds of connected peers that may have the tree. */
  from: string[];
  signal?: AbortSignal | undefined;
  /** Limit in bytes of all distinct blocks, present ones included. */
  maxBytes?: number | undefined;
  /** Time without a verified block after which the pull ends, in seconds. */
  idleSeconds?: number | undefined;
  /** Called with the bytes of the tree present so far. */
  onProgress?: ((bytes: number) => void) | undefined;
}

export interface PullResult {
  /** Of all distinct blocks of the tree. */
  bytes: number;
  blocks: number;
  /** Blocks sent by each peer. */
  servedBy: Record<string, number>;
}

interface Provider {
  peer: string;
  session: PeerSession;
  failures: number;
  served: number;
  gone: boolean;
}

const attemptMsMax = 10_000;
assert(attemptMsMax < storeLimits.pullIdleSecondsMax * 1000, 'another peer is asked before the pull ends');

/**
 * Fetches all blocks of a DAG into the public area, by Bitswap. Asks only for CIDs linked from verified blocks, so that a peer cannot
 * choose what is stored.
 * @throws STORE_PULL_NO_PROVIDER, STORE_PULL_BLOCK_MISSING, STORE_PULL_STALLED, STORE_TREE_TOO_LARGE,
 * STORE_TREE_TOO_MANY_BLOCKS, STORE_TREE_MALFORMED, STORE_CID_REFUSED
 */
export async function pullTree(
  blocks: Blocks,
  exchange: Exchange | undefined,
  root: CID,
  options: PullOptions,
): Promise<PullResult> {
  const pull = new Pull(blocks, exchange, root, options);
  try {
    return await pull.run();
  } finally {
    pull.close();
  }
}

class Pull {
  readonly #blocks: Blocks;
  readonly #exchange: Exchange | undefined;
  readonly #root: CID;
  readonly #options: PullOptions;
  readonly #idleMs: number;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #providers: Provider[];
  readonly #todo: CID[];
  readonly #seen: Set<string>;
  #watch: NodeJS.Timeout | undefined;
  #lastBlockAt = performance.now();
  #turn = 0;
  #bytes = 0;
  #count = 0;

  constructor(blocks: Blocks, exchange: Exchange | undefined, root: CID, options: PullOptions) {
    this.#blocks = blocks;
    this.#exchange = exchange;
    this.#root = root;
    this.#options = options;
    this.#idleMs = (options.idleSeconds ?? storeLimits.pullIdleSecondsMax) * 1000;
    const { signal } = this.#abort;
    this.#signal = options.signal === undefined ? signal : AbortSignal.any([options.signal, signal]);
    this.#todo = [root];
    this.#seen = new Set([root.toString()]);
    this.#providers = [...new Set(options.from)].flatMap((peer) =>
      exchange?.isConnected(peer)
        ? [{ peer, session: exchange.session(root, peer), failures: 0, served: 0, gone: false }]
        : [],
    );
  }

  async run(): Promise<PullResult> {
    this.#watch = setInterval(() => this.#check(), Math.min(500, this.#idleMs / 4));
    const running = new Set<Promise<void>>();
    try {
      while (this.#todo.length > 0 || running.size > 0) {
        this.#signal.throwIfAborted();
        const cid = running.size < storeLimits.pullWantsMax ? this.#todo.pop() : undefined;
        if (cid === undefined) {
          await Promise.race(running);
          continue;
        }
        const task = this.#one(cid)
          .catch((error: unknown) => this.#abort.abort(error))
          .finally(() => running.delete(task));
        running.add(task);
      }
      this.#signal.throwIfAborted();
    } finally {
      await Promise.all(running);
    }
    const servedBy = Object.fromEntries(this.#providers.map(({ peer, served }) => [peer, served]));
    return { bytes: this.#bytes, blocks: this.#count, servedBy };
  }

  close(): void {
    clearInterval(this.#watch);
    for (const { session } of this.#providers) session.close();
  }

  #check(): void {
    for (const provider of this.#providers)
      if (!this.#exchange?.isConnected(provider.peer)) provider.gone = true;
    if (this.#providers.length > 0 && this.#providers.every(({ gone }) => gone)) {
      const hint = 'Connect to a peer that has the tree and pull again; what has arrived is kept.';
      const says = `no peer that may have ${this.#root} is reachable any more`;
      this.#abort.abort(new QuorateError('STORE_PULL_NO_PROVIDER', says, { hint }));
    } else if (performance.now() - this.#lastBlockAt > this.#idleMs) {
      const hint = 'The peer is too slow or sends wrong bytes; try another one.';
      const says = `no correct block of ${this.#root} came for ${this.#idleMs / 1000} s`;
      this.#abort.abort(new QuorateError('STORE_PULL_STALLED', says, { hint }));
    }
  }

  async #one(cid: CID): Promise<void> {
    if (!this.#blocks.touch(cid)) await this.#fetch(cid);
    const bytes = cid.code === rawCode ? undefined : await readBlock(this.#blocks, cid);
    this.#count += 1;
    this.#bytes += bytes?.length ?? this.#blocks.size(cid) ?? 0;
    this.#lastBlockAt = performance.now();
    this.#options.onProgress?.(this.#bytes);
    const maxBytes = this.#options.maxBytes ?? limits.treeBytesMax;
    if (this.#bytes > maxBytes) throw this.#tooLarge('STORE_TREE_TOO_LARGE', `is over ${sizeText(maxBytes)}`);
    for (const link of bytes === undefined ? [] : linksOf(cid, bytes)) this.#want(link);
  }

  #want(cid: CID): void {
    const key = cid.toString();
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    if (this.#seen.size > limits.treeBlocksMax)
      throw this.#tooLarge('STORE_TREE_TOO_MANY_BLOCKS', `has over ${limits.treeBlocksMax} blocks`);
    this.#todo.push(cid);
  }

  #tooLarge(code: ErrorCode, says: string): QuorateError {
    return new QuorateError(code, `the tree ${this.#root} ${says}`, {
      hint: 'Ask who made it for fewer or smaller files, or give the job that uses it more disk.',
    });
  }

  /** Asks peers in turn, those with the fewest failures first, until one sends the block or the pull ends. */
  async #fetch(cid: CID): Promise<void> {
    for (;;) {
      this.#signal.throwIfAborted();
      const provider = this.#next();
      if (provider === undefined) throw this.#noProvider(cid);
      const { session } = provider;
      const attempt = AbortSignal.timeout(
        Math.min(attemptMsMax, this.#idleMs / (this.#providers.length + 1)),
      );
      try {
        await session.fetch(cid, AbortSignal.any([attempt, this.#signal]));
        provider.served += 1;
        return;
      } catch (error) {
        this.#signal.throwIfAborted();
        if (provider.session !== session) continue;
        provider.failures += 1;
        if (!attempt.aborted) {
          if (error instanceof QuorateError) throw error;
          provider.gone = true;
          continue;
        }
        // A session of the library does not ask a peer again after one failure: open a new one.
        session.close();
        if (this.#exchange !== undefined)
          provider.session = this.#exchange.session(this.#root, provider.peer);
      }
    }
  }

  #next(): Provider | undefined {
    const here = this.#providers.filter(({ gone }) => !gone);
    const fewest = Math.min(...here.map(({ failures }) => failures));
    const best = here.filter(({ failures }) => failures === fewest);
    this.#turn += 1;
    return best[this.#turn % best.length];
  }

  #noProvider(cid: CID): QuorateError {
    if (this.#providers.length === 0) {
      return new QuorateError('STORE_PULL_NO_PROVIDER', `no connected peer to pull ${this.#root} from`, {
        hint: 'Connect to a peer that has the tree first.',
      });
    }
    return new QuorateError('STORE_PULL_BLOCK_MISSING', `no peer asked has block ${cid} of ${this.#root}`, {
      hint: 'Ask another peer; one that announces a tree must have all of it.',
    });
  }
}
