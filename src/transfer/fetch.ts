import type { CID } from 'multiformats/cid';
import { assert, messageOf, QuorateError } from '../protocol/base/errors.ts';
import type { Step } from './dag-walk.ts';
import { CarDecoder, ChangedBlock, type VerifiedBlock } from './decode.ts';
import { FetchState } from './fetch-state.ts';
import { encodeRequest } from './frames.ts';
import { transferLimits } from './limits.ts';
import { ProviderSession, type Work } from './provider-session.ts';
import type { BlockSink, FetchOptions, FetchResult, Pipe, Provider } from './types.ts';

/**
 * Fetches one block and nothing that it links to, from the first provider that gives it. A block that is here is not requested.
 * @throws TRANSFER_FAILED when none gave it; STORE_TREE_MALFORMED, STORE_CID_REFUSED; STORE_DISK_FULL; the signal's reason
 */
export async function fetchBlock(
  cid: CID,
  sink: BlockSink,
  providers: readonly Provider[],
  { signal }: { signal: AbortSignal },
): Promise<void> {
  if (sink.touch(cid) !== undefined) return;
  const dropped: FetchResult['dropped'] = [];
  for (const { peer, open } of providers) {
    const within = AbortSignal.any([signal, AbortSignal.timeout(transferLimits.idleSecondsMax * 1000)]);
    try {
      const { bytes } = await askedOf(await open(within), cid, sink, within);
      // It may share memory with the message that it came in.
      await sink.put(cid, Uint8Array.from(bytes));
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof QuorateError && error.code.startsWith('STORE_')) throw error;
      dropped.push(reasonOf(peer, error));
    }
  }
  throw new TransferFailed(cid, dropped, undefined);
}

function reasonOf(peer: string, failure: unknown): FetchResult['dropped'][number] {
  const code = failure instanceof QuorateError ? failure.code : '';
  const block = failure instanceof ChangedBlock ? { block: failure.block.toString() } : {};
  return { peer, code, message: messageOf(failure), ...block };
}

async function askedOf(pipe: Pipe, cid: CID, sink: BlockSink, signal: AbortSignal): Promise<VerifiedBlock> {
  try {
    const decoder = new CarDecoder([{ cid, depth: 0 }], (of, bytes) => sink.links(of, bytes));
    // An archive ends after the block that reaches the bytes asked for.
    await pipe.send(encodeRequest([cid], 1));
    for (;;) {
      const message = await pipe.receive({ signal });
      if (message === undefined || message.length === 0)
        throw new QuorateError('TRANSFER_BLOCK_MISSING', `the peer does not have ${cid}`, {
          hint: 'Ask another peer.',
        });
      decoder.push(message);
      const block = decoder.next();
      if (block !== undefined) return block;
    }
  } finally {
    pipe.abort(new QuorateError('TRANSFER_ENDED', 'the fetch has ended'));
  }
}

/** Bytes of the first request when there are several providers: its blocks give links to distribute. */
const firstBytes = 1024 * 1024;
const sharedBytes = 8 * 1024 * 1024;
/** A provider is slow when its rate is below this fraction of the rate of an idle one. */
const slowFraction = 4;
const slowBytesPerSecond = 64 * 1024;
assert(firstBytes < sharedBytes, 'a tree is shared after the first part');
assert(sharedBytes < transferLimits.answerBytesMax, 'and before one provider has sent an answer');
assert(slowBytesPerSecond < firstBytes, 'who sends the first part within a second is not slow');

/**
 * Fetches all blocks of a tree that are not here from several providers in parallel and verifies each on arrival. A provider that sends
 * wrong data, lacks a block, is silent or much slower than the others is dropped, and its outstanding blocks are requested from the rest.
 * @throws TRANSFER_NO_PROVIDER; TRANSFER_FAILED when all were dropped; STORE_TREE_TOO_LARGE, STORE_TREE_TOO_MANY_BLOCKS,
 * STORE_TREE_TOO_DEEP, STORE_TREE_MALFORMED, STORE_CID_REFUSED; STORE_DISK_FULL; the signal's reason
 */
export async function fetchTree(
  root: CID,
  sink: BlockSink,
  providers: readonly Provider[],
  options: FetchOptions = {},
): Promise<FetchResult> {
  return new Fetch(root, sink, providers, options).run();
}

/** TRANSFER_FAILED: all providers were dropped. */
export class TransferFailed extends QuorateError {
  readonly dropped: FetchResult['dropped'];

  constructor(root: CID, dropped: FetchResult['dropped'], cause: unknown) {
    const reasons = dropped.map(({ peer, code, message }) => `${peer}: ${code}, ${message}`);
    super('TRANSFER_FAILED', `no peer gave all of ${root}: ${reasons.join('; ')}`, {
      hint: 'Use another peer; blocks that have arrived are kept.',
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
  readonly #state: FetchState;
  readonly #sessions: ProviderSession[];
  #wake = Promise.withResolvers<void>();
  #failure: { error: unknown } | undefined;

  constructor(root: CID, sink: BlockSink, providers: readonly Provider[], options: FetchOptions) {
    this.#root = root;
    this.#sink = sink;
    this.#options = options;
    this.#idleMs = options.idleMs ?? transferLimits.idleSecondsMax * 1000;
    this.#state = new FetchState(root, sink, options);
    this.#sessions = providers.map((provider) => new ProviderSession(provider, this));
  }

  async run(): Promise<FetchResult> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    if (this.#sessions.length === 0 && (await this.#state.take(1)).length > 0) {
      throw new QuorateError('TRANSFER_NO_PROVIDER', `no peer to fetch ${this.#root} from`, {
        hint: 'Connect to a peer that has the tree first.',
      });
    }
    const onAbort = (): void => this.#fail(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const watch = setInterval(() => this.#check(), Math.min(500, this.#idleMs / 4));
    const running = this.#sessions.map((session) => session.run().catch((error) => this.#fail(error)));
    try {
      await Promise.all(running.map((run) => run.finally(() => this.#changed())));
    } finally {
      clearInterval(watch);
      signal?.removeEventListener('abort', onAbort);
    }
    if (this.#failure !== undefined) throw this.#failure.error;
    if (!this.isDone) throw new TransferFailed(this.#root, this.#dropped(), this.#sessions[0]?.failure);
    return this.#result();
  }

  // Work, for the sessions

  get isDone(): boolean {
    if (this.#failure !== undefined) return true;
    return this.#state.waiting === 0 && !this.#sessions.some(({ isBusy }) => isBusy);
  }

  async take(): Promise<{ steps: Step[]; max: number } | undefined> {
    const { waiting } = this.#state;
    if (waiting === 0 || this.#failure !== undefined) return undefined;
    const sessions = this.#here().length;
    const isShared = sessions > 1;
    // Each takes a share of the known blocks, so that the sessions end at about the same time.
    const count = isShared ? Math.ceil(waiting / (2 * sessions)) : waiting;
    try {
      const steps = await this.#state.take(Math.min(count, transferLimits.rootsMax));
      if (steps.length === 0) return undefined;
      if (!isShared) return { steps, max: transferLimits.answerBytesMax };
      return { steps, max: this.#state.blocks === 0 ? firstBytes : sharedBytes };
    } finally {
      // Walking through blocks that are here may have found more to request.
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

  // Supervision of the sessions

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
    const best = Math.max(slowBytesPerSecond, ...idle.map((session) => session.rate(now) / slowFraction));
    const slowMs = transferLimits.slowSeconds * 1000;
    for (const session of here) {
      if (session.busyMs(now) < slowMs || session.rate(now) >= best) continue;
      session.drop(new QuorateError('TRANSFER_SLOW', 'the peer is much slower than another'));
    }
  }

  #dropped(): FetchResult['dropped'] {
    return this.#sessions.flatMap(({ peer, failure }) =>
      failure === undefined ? [] : [reasonOf(peer, failure)],
    );
  }

  #result(): FetchResult {
    const servedBy: Record<string, number> = {};
    for (const { peer, served } of this.#sessions) servedBy[peer] = (servedBy[peer] ?? 0) + served;
    const { bytes, blocks } = this.#state;
    return { bytes, blocks, servedBy, dropped: this.#dropped() };
  }
}
