import { setTimeout as sleep } from 'node:timers/promises';
import { Buckets } from '../../mesh/token-buckets.ts';
import { nodeLimits } from './limits.ts';

/** Delays reading from a peer that exceeds `nodeLimits`, so that its stream fills up and it has to wait. */
export class PeerRateLimit {
  readonly #buckets = new Buckets(nodeLimits.memberMessagesPerSecond, nodeLimits.memberMessagesBurst);

  /** Waits before the next message of `peer` is read. @param bytes size of the previous message */
  async wait(peer: string, bytes = 0): Promise<void> {
    const ms = this.#buckets.charge(peer, 1 + bytes / nodeLimits.memberBytesPerMessage, performance.now());
    if (ms > 0) await sleep(ms);
  }
}
