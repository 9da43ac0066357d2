import type { CID } from 'multiformats/cid';
import { QuorateError } from '../core/errors.ts';
import type { VerifiedBlock } from './decode.ts';
import { transferLimits } from './limits.ts';
import { Source, type Work } from './source.ts';
import { Tally } from './tally.ts';
import type { BlockSink, FetchOptions, FetchResult, Provider } from './types.ts';
import type { Step } from './walk.ts';

/** Asked for at first when several can serve: soon there is something to share out. */
const firstBytes = 1024 * 1024;
const sharedBytes = 8 * 1024 * 1024;
/** A provider is slow when another has nothing to do and it gives this fraction of what that one gave. */
const slowFraction = 4;
const slowBytesPerSecond = 64 * 1024;

/**
 * Brings every block of a tree from those who have it, all at once, each block verified as it comes. What an earlier try
 * brought is not asked for again. A provider that lies, lacks a block, is silent or holds up the others is dropped and
 * what it owed is asked of the rest.
 * @throws TRANSFER_NO_PROVIDER; TRANSFER_FAILED when every one was dropped; STORE_TREE_TOO_LARGE, STORE_TREE_TOO_MANY,
 * STORE_TREE_TOO_DEEP, STORE_TREE_MALFORMED, STORE_CID_REFUSED for what the tree is; STORE_DISK_FULL; the signal's reason
 */
export async function fetchTree(
  root: CID,
  sink: BlockSink,
  providers: readonly Provider[],
  options: FetchOptions = {},
): Promise<FetchResult> {
  return new Fetch(root, sink, providers, options).run();
}

/** TRANSFER_FAILED: nobody is left to ask. */
export class TransferFailed extends QuorateError {
  readonly dropped: FetchResult['dropped'];

  constructor(root: CID, dropped: FetchResult['dropped'], cause: unknown) {
    const reasons = dropped.map(({ peer, code, message }) => `${peer}: ${code}, ${message}`);
    super('TRANSFER_FAILED', `no peer gave all of ${root}: ${reasons.join('; ')}`, {
      hint: 'Ask another peer; what has arrived is kept.',
      cause,
    });
    this.dropped = dropped;
  }
}

class Fetch implements Work {
  readonly #root: CID;
  readonly #sink: BlockSink;
  readonly #options: FetchOptions;
  readonly #idleMs: number;
  readonly #slowMs: number;
  readonly #tally: Tally;
  readonly #sources: Source[];
  #wake = Promise.withResolvers<void>();
  #failure: { error: unknown } | undefined;

  constructor(root: CID, sink: BlockSink, providers: readonly Provider[], options: FetchOptions) {
    this.#root = root;
    this.#sink = sink;
    this.#options = options;
    this.#idleMs = options.idleMs ?? transferLimits.idleSecondsMax * 1000;
    this.#slowMs = options.slowMs ?? transferLimits.slowSeconds * 1000;
    this.#tally = new Tally(root, sink, options);
    this.#sources = providers.map((provider) => new Source(provider, this));
  }

  async run(): Promise<FetchResult> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    if (this.#sources.length === 0 && (await this.#tally.take(1)).length > 0) {
      throw new QuorateError('TRANSFER_NO_PROVIDER', `nobody to fetch ${this.#root} from`, {
        hint: 'Connect to a peer that has the tree first.',
      });
    }
    const onAbort = (): void => this.#fail(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const watch = setInterval(() => this.#check(), Math.min(500, this.#idleMs / 4));
    try {
      await Promise.all(
        this.#sources.map((source) =>
          source
            .run()
            .catch((error: unknown) => this.#fail(error))
            .finally(() => this.#changed()),
        ),
      );
    } finally {
      clearInterval(watch);
      signal?.removeEventListener('abort', onAbort);
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    if (!this.isDone) throw new TransferFailed(this.#root, this.#dropped(), this.#sources[0]?.failure);
    return this.#result();
  }

  // What sources ask

  get isDone(): boolean {
    if (this.#failure !== undefined) return true;
    return this.#tally.waiting === 0 && !this.#sources.some(({ isBusy }) => isBusy);
  }

  async take(): Promise<{ steps: Step[]; max: number } | undefined> {
    const { waiting } = this.#tally;
    if (waiting === 0 || this.#failure !== undefined) return undefined;
    const others = this.#here().length;
    // Each takes a part of what is known, so that the last ones end together.
    const count = others > 1 ? Math.ceil(waiting / (2 * others)) : waiting;
    try {
      const steps = await this.#tally.take(Math.min(count, transferLimits.rootsMax));
      if (steps.length === 0) return undefined;
      if (others <= 1) return { steps, max: transferLimits.answerBytesMax };
      return { steps, max: this.#tally.blocks === 0 ? firstBytes : sharedBytes };
    } finally {
      // Walking through what is here may have found more to ask for.
      this.#changed();
    }
  }

  changed(): Promise<void> {
    return this.#wake.promise;
  }

  links(cid: CID, bytes: Uint8Array): readonly CID[] {
    return this.#sink.links(cid, bytes);
  }

  arrived(block: VerifiedBlock): Promise<boolean> {
    return this.#tally.arrived(block);
  }

  giveBack(steps: Step[]): void {
    this.#tally.want(steps);
    this.#changed();
  }

  // Watching them

  #here(): Source[] {
    return this.#sources.filter(({ failure }) => failure === undefined);
  }

  #changed(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    for (const source of this.#here()) source.drop(new QuorateError('TRANSFER_ENDED', 'the fetch has ended'));
    this.#changed();
  }

  #check(): void {
    const now = performance.now();
    const here = this.#here();
    for (const source of here) {
      if (source.idleMs(now) > this.#idleMs) {
        source.drop(new QuorateError('TRANSFER_IDLE', `no block came for ${this.#idleMs / 1000} s`));
      }
    }
    const idle = here.filter((source) => !source.isBusy && source.failure === undefined);
    if (idle.length === 0 || this.#tally.waiting > 0) return;
    const best = Math.max(
      slowBytesPerSecond,
      ...idle.map((source) => (source.rate(now) ?? 0) / slowFraction),
    );
    for (const source of here) {
      if (source.busyMs(now) < this.#slowMs || (source.rate(now) ?? 0) >= best) continue;
      source.drop(new QuorateError('TRANSFER_SLOW', 'the peer is much slower than another'));
    }
  }

  #dropped(): FetchResult['dropped'] {
    return this.#sources.flatMap(({ peer, failure }) => {
      if (failure === undefined) return [];
      return [{ peer, code: failure instanceof QuorateError ? failure.code : '', message: failure.message }];
    });
  }

  #result(): FetchResult {
    return {
      bytes: this.#tally.bytes,
      blocks: this.#tally.blocks,
      servedBy: Object.fromEntries(this.#sources.map(({ peer, served }) => [peer, served])),
      dropped: this.#dropped(),
    };
  }
}
