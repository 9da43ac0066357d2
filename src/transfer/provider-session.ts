import { setTimeout as sleep } from 'node:timers/promises';
import { assert, QuorateError } from '../protocol/base/errors.ts';
import { messageBounds } from '../protocol/wire/bounds.ts';
import type { Step } from './dag-walk.ts';
import { CarDecoder, invalid, type VerifiedBlock } from './decode.ts';
import { decodeEnd, encodeRequest } from './frames.ts';
import { transferLimits } from './limits.ts';
import type { Pipe, Provider } from './types.ts';

/** Requests outstanding with one provider: one is answered while the next waits there. */
const requestsMax = 2;
/** Failures that may heal, in a row without a block between: a broken pipe, or a block that is not published yet. */
const breaksMax = 5;
assert(requestsMax < messageBounds.car.streams, 'a provider answers as many at once');
assert(
  transferLimits.breakAgainMs * 2 ** breaksMax < transferLimits.idleSecondsMax * 1000,
  'a provider that heals is back before it counts as silent',
);

/** The fetch, as its sessions see it. */
export interface Work {
  /** Blocks to request now and the bytes to request; undefined while there are none. */
  take(): Promise<{ steps: Step[]; max: number } | undefined>;
  /** Resolves when `take` may give another answer. */
  changed(): Promise<void>;
  readonly isDone: boolean;
  arrived(block: VerifiedBlock): Promise<boolean>;
  links(block: VerifiedBlock['cid'], bytes: Uint8Array): readonly VerifiedBlock['cid'][];
  giveBack(steps: Step[]): void;
}

interface Request {
  decoder: CarDecoder;
  max: number;
  received: number;
  blocks: number;
}

function mayHeal({ code }: QuorateError): boolean {
  if (code.startsWith('MESH_')) return code !== 'MESH_PROTOCOL_UNKNOWN';
  return code === 'TRANSFER_TRUNCATED' || code === 'TRANSFER_BLOCK_MISSING';
}

/** Requests blocks from one provider until the fetch is done or the provider is dropped. */
export class ProviderSession {
  readonly peer: string;
  readonly #provider: Provider;
  readonly #work: Work;
  readonly #stop = new AbortController();
  #pipe: Pipe | undefined;
  #requests: Request[] = [];
  #isTaking = false;
  #busySince = 0;
  /** Time at which the oldest outstanding request was sent while none was outstanding; unset without a pipe. */
  #askedAt: number | undefined;
  #busyMs = 0;
  #lastBlockAt = 0;
  #breaks = 0;
  #bytes = 0;
  served = 0;
  /** Reason for which the provider was dropped. */
  failure: Error | undefined;

  constructor(provider: Provider, work: Work) {
    this.peer = provider.peer;
    this.#provider = provider;
    this.#work = work;
  }

  get isBusy(): boolean {
    return this.#isTaking || this.#requests.length > 0;
  }

  /** Milliseconds since its last block, or since the first request. Dialling has limits of its own. */
  idleMs(now: number): number {
    if (this.#requests.length === 0 || this.#askedAt === undefined) return 0;
    return now - Math.max(this.#lastBlockAt, this.#askedAt);
  }

  busyMs(now: number): number {
    return this.isBusy ? now - this.#busySince : 0;
  }

  /** Bytes of new blocks per second of busy time. */
  rate(now: number): number {
    return (this.#bytes * 1000) / Math.max(1, this.#busyMs + this.busyMs(now));
  }

  /** Drops the provider. Its outstanding blocks go back to the fetch. */
  drop(reason: Error): void {
    this.failure ??= reason;
    this.#stop.abort(reason);
    this.#pipe?.abort(reason);
  }

  /** Resolves when the fetch is done or the provider is dropped. @throws errors of the tree or the sink only */
  async run(): Promise<void> {
    while (!this.#work.isDone && this.failure === undefined) {
      try {
        await this.#turn();
      } catch (error) {
        await this.#broke(error);
      }
    }
    await this.#pipe?.close().catch(() => {});
  }

  async #turn(): Promise<void> {
    while (this.#requests.length < requestsMax && (await this.#ask()));
    const [request] = this.#requests;
    if (request !== undefined) await this.#answer(request);
    else if (!this.#work.isDone) await this.#work.changed();
  }

  /** Sends one more request. False when there is nothing to request. */
  async #ask(): Promise<boolean> {
    let steps: Step[];
    let max: number;
    this.#isTaking = true;
    try {
      const taken = await this.#work.take();
      if (taken === undefined) return false;
      ({ steps, max } = taken);
      if (this.#requests.length === 0) this.#busySince = performance.now();
      const decoder = new CarDecoder(steps, (cid, bytes) => this.#work.links(cid, bytes));
      this.#requests.push({ decoder, max, received: 0, blocks: 0 });
    } finally {
      // After the request is added: otherwise other sessions would see none outstanding.
      this.#isTaking = false;
    }
    this.#pipe ??= await this.#provider.open(this.#stop.signal);
    const cids = steps.map(({ cid }) => cid);
    await this.#pipe.send(encodeRequest(cids, max));
    if (this.#requests.length === 1) this.#askedAt = performance.now();
    return true;
  }

  async #receive(): Promise<Uint8Array> {
    const message = await this.#pipe?.receive({ signal: this.#stop.signal });
    if (message !== undefined) return message;
    throw new QuorateError('TRANSFER_TRUNCATED', 'the peer closed in the middle of an answer');
  }

  /** Reads one answer up to its end. */
  async #answer(request: Request): Promise<void> {
    const { decoder } = request;
    for (let piece = await this.#receive(); piece.length > 0; piece = await this.#receive()) {
      if (request.received >= request.max)
        throw invalid('TRANSFER_EXCESS_DATA', 'the answer exceeds the request');
      decoder.push(piece);
      for (let block = decoder.next(); block !== undefined; block = decoder.next())
        await this.#take(request, block);
    }
    const end = decodeEnd(await this.#receive());
    if (end.kind === 'failed') {
      const says = `${end.code}: ${end.message}`.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 250);
      throw invalid('TRANSFER_BLOCK_MISSING', `the peer cannot serve it (${says})`);
    }
    decoder.end();
    const rest = decoder.rest();
    if (rest.length > 0 && request.blocks === 0) throw invalid('TRANSFER_EMPTY', 'the answer has no block');
    this.#requests.shift();
    if (this.#requests.length === 0) this.#busyMs += performance.now() - this.#busySince;
    this.#work.giveBack(rest);
  }

  async #take(request: Request, block: VerifiedBlock): Promise<void> {
    // Read before `arrived`, which takes over the memory.
    const size = block.bytes.length;
    request.blocks += 1;
    request.received += size;
    this.#lastBlockAt = performance.now();
    this.#breaks = 0;
    if (!(await this.#work.arrived(block))) return;
    this.served += 1;
    this.#bytes += size;
  }

  /** Returns outstanding blocks to the fetch. Then drops the provider, or waits where the failure may heal. */
  async #broke(error: unknown): Promise<void> {
    const owed = this.#requests.splice(0);
    this.#pipe?.abort(error instanceof Error ? error : new Error(String(error)));
    this.#pipe = undefined;
    this.#askedAt = undefined;
    this.#work.giveBack(owed.reverse().flatMap(({ decoder }) => decoder.rest()));
    if (this.failure !== undefined) return;
    if (!(error instanceof QuorateError) || error.code.startsWith('STORE_')) throw error;
    this.#breaks += 1;
    if (!mayHeal(error) || this.#breaks >= breaksMax) {
      this.failure = error;
      return;
    }
    const ms = transferLimits.breakAgainMs * 2 ** this.#breaks;
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
  }
}
