import { setTimeout as sleep } from 'node:timers/promises';
import { Buckets } from '../../mesh/token-buckets.ts';
import { nodeLimits } from './limits.ts';

/** Makes each peer wait that says more than its share: its next message is read later, and its stream fills up. */
export class PeerRateLimit {
  readonly #buckets = new Buckets(nodeLimits.memberMessagesPerSecond, nodeLimits.memberMessagesBurst);

  /** Before the next message of `peer` is read; `bytes`: what the last one was large by. */
  async wait(peer: string, bytes = 0): Promise<void> {
    const ms = this.#buckets.charge(peer, 1 + bytes / nodeLimits.memberBytesPerMessage, Date.now());
    if (ms > 0) await sleep(ms);
  }
}
