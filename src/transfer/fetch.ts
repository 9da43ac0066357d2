import type { CID } from 'multiformats/cid';
import { QuorateError } from '../core/errors.ts';
import type { Step } from './dag-walk.ts';
import type { VerifiedBlock } from './decode.ts';
import { FetchState } from './fetch-state.ts';
import { transferLimits } from './limits.ts';
import { ProviderSession, type Work } from './provider-session.ts';
import type { BlockSink, FetchOptions, FetchResult, Provider } from './types.ts';

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
  readonly #state: FetchState;
  readonly #sessions: ProviderSession[];
  #wake = Promise.withResolvers<void>();
  #failure: { error: unknown } | undefined;

  constructor(root: CID, sink: BlockSink, providers: readonly Provider[], options: FetchOptions) {
    this.#root = root;
    this.#sink = sink;
    this.#options = options;
    this.#idleMs = options.idleMs ?? transferLimits.idleSecondsMax * 1000;
    this.#slowMs = options.slowMs ?? transferLimits.slowSeconds * 1000;
    this.#state = new FetchState(root, sink, options);
    this.#sessions = providers.map((provider) => new ProviderSession(provider, this));
  }

  async run(): Promise<FetchResult> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    if (this.#sessions.length === 0 && (await this.#state.take(1)).length > 0) {
      throw new QuorateError('TRANSFER_NO_PROVIDER', `nobody to fetch ${this.#root} from`, {
        hint: 'Connect to a peer that has the tree first.',
      });
    }
    const onAbort = (): void => this.#fail(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const watch = setInterval(() => this.#check(), Math.min(500, this.#idleMs / 4));
    try {
      await Promise.all(
        this.#sessions.map((session) =>
          session
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
    if (!this.isDone) throw new TransferFailed(this.#root, this.#dropped(), this.#sessions[0]?.failure);
    return this.#result();
  }

  // What sessions ask

  get isDone(): boolean {
    if (this.#failure !== undefined) return true;
    return this.#state.waiting === 0 && !this.#sessions.some(({ isBusy }) => isBusy);
  }

  async take(): Promise<{ steps: Step[]; max: number } | undefined> {
    const { waiting } = this.#state;
    if (waiting === 0 || this.#failure !== undefined) return undefined;
    const others = this.#here().length;
    // Each takes a part of what is known, so that the last ones end together.
    const count = others > 1 ? Math.ceil(waiting / (2 * others)) : waiting;
    try {
      const steps = await this.#state.take(Math.min(count, transferLimits.rootsMax));
      if (steps.length === 0) return undefined;
      if (others <= 1) return { steps, max: transferLimits.answerBytesMax };
      return { steps, max: this.#state.blocks === 0 ? firstBytes : sharedBytes };
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
    return this.#state.arrived(block);
  }

  giveBack(steps: Step[]): void {
    this.#state.want(steps);
    this.#changed();
  }

  // Watching them

  #here(): ProviderSession[] {
    return this.#sessions.filter(({ failure }) => failure === undefined);
  }

  #changed(): void {
    const { resolve } = this.#wake;
    this.#wake = Promise.withResolvers();
    resolve();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    for (const session of this.#here())
      session.drop(new QuorateError('TRANSFER_ENDED', 'the fetch has ended'));
    this.#changed();
  }

  #check(): void {
    const now = performance.now();
    const here = this.#here();
    for (const session of here) {
      if (session.idleMs(now) > this.#idleMs) {
        session.drop(new QuorateError('TRANSFER_IDLE', `no block came for ${this.#idleMs / 1000} s`));
      }
    }
    const idle = here.filter((session) => !session.isBusy && session.failure === undefined);
    if (idle.length === 0 || this.#state.waiting > 0) return;
    const best = Math.max(
      slowBytesPerSecond,
      ...idle.map((session) => (session.rate(now) ?? 0) / slowFraction),
    );
    for (const session of here) {
      if (session.busyMs(now) < this.#slowMs || (session.rate(now) ?? 0) >= best) continue;
      session.drop(new QuorateError('TRANSFER_SLOW', 'the peer is much slower than another'));
    }
  }

  #dropped(): FetchResult['dropped'] {
    return this.#sessions.flatMap(({ peer, failure }) => {
      if (failure === undefined) return [];
      return [{ peer, code: failure instanceof QuorateError ? failure.code : '', message: failure.message }];
    });
  }

  #result(): FetchResult {
    return {
      bytes: this.#state.bytes,
      blocks: this.#state.blocks,
      servedBy: Object.fromEntries(this.#sessions.map(({ peer, served }) => [peer, served])),
      dropped: this.#dropped(),
    };
  }
}
