import { setTimeout as sleep } from 'node:timers/promises';
import { dropOldest } from '../protocol/base/maps.ts';
import { meshLimits } from './limits.ts';

type Walk = (cid: string, signal: AbortSignal) => Promise<void>;

/**
 * Announces CIDs in the DHT, each once for as long as it is served here, and one a second while few wait: a walk costs this node and a
 * dozen others milliseconds of processor time. The DHT renews its records by itself.
 */
export class Announcements {
  readonly #walk: Walk;
  readonly #closing = new AbortController();
  /** By CID: waiting, under way, or done. */
  readonly #announced = new Map<string, Promise<void>>();
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(walk: Walk) {
    this.#walk = walk;
  }

  close(): void {
    this.#closing.abort();
  }

  /** Resolves when a peer has the record. One that failed may be asked for again. @throws those of the walk */
  of(cid: string): Promise<void> {
    const known = this.#announced.get(cid);
    if (known !== undefined) return known;
    const announced = this.#inTurn(cid);
    this.#announced.set(cid, announced);
    announced.catch(() => {
      if (this.#announced.get(cid) === announced) this.forget(cid);
    });
    dropOldest(this.#announced, meshLimits.announcedMax);
    return announced;
  }

  /** Not served here any more: another announcement is a walk of its own. */
  forget(cid: string): void {
    this.#announced.delete(cid);
  }

  async #inTurn(cid: string): Promise<void> {
    this.#waiting += 1;
    const before = this.#last;
    const walked = before.then(() => this.#walk(cid, AbortSignal.timeout(meshLimits.lookupMs)));
    this.#last = walked.catch(() => {}).then(() => this.#pause());
    await walked.finally(() => {
      this.#waiting -= 1;
    });
  }

  async #pause(): Promise<void> {
    if (this.#waiting > meshLimits.announcementsWaitingMax) return;
    const { signal } = this.#closing;
    await sleep(meshLimits.betweenAnnouncementsMs, undefined, { signal, ref: false }).catch(() => {});
  }
}
