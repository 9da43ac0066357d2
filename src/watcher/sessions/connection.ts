import type { Charter } from '../../protocol/documents/index.ts';
import type { Clock } from '../../protocol/sessions/ports.ts';
import { watchSessionLimits } from './limits.ts';
import type { WatchClient } from './ports.ts';

interface HeldClient extends WatchClient {
  readonly charter: Charter;
  close(): Promise<void>;
}

interface Held<C> {
  opening: Promise<C>;
  /** Monotonic time, in milliseconds. */
  since: number;
  users: number;
  /** It is closed once nobody uses it. */
  stale: boolean;
}

/** The watcher's way to the controller: one client, opened again when it is old or something failed. */
export class Connection<C extends HeldClient> {
  readonly #open: () => Promise<C>;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #current: Held<C> | undefined;
  #charter: Charter | undefined;

  constructor(open: () => Promise<C>, clock: Pick<Clock, 'monotonic'>) {
    [this.#open, this.#clock] = [open, clock];
  }

  /** The newest that a client had; undefined before the first one. */
  get charter(): Charter | undefined {
    return this.#charter;
  }

  async use<T>(act: (client: C) => Promise<T>): Promise<T> {
    const current = this.#fresh();
    current.users++;
    try {
      const client = await current.opening;
      this.#charter = client.charter;
      return await act(client);
    } catch (error) {
      current.stale = true;
      throw error;
    } finally {
      current.users--;
      await this.#closeStale(current);
    }
  }

  #fresh(): Held<C> {
    const current = this.#current;
    // One that is stale is closed by the last of its users.
    if (current !== undefined && !current.stale) {
      if (this.#clock.monotonic() - current.since < watchSessionLimits.clientMsMax) return current;
      current.stale = true;
      void this.#closeStale(current);
    }
    this.#current = { opening: this.#open(), since: this.#clock.monotonic(), users: 0, stale: false };
    return this.#current;
  }

  async #closeStale({ opening, users, stale }: Held<C>): Promise<void> {
    if (!stale || users > 0) return;
    await opening.then(
      (client) => client.close(),
      () => {},
    );
  }

  async close(): Promise<void> {
    const current = this.#current;
    if (current === undefined || current.stale) return;
    current.stale = true;
    await this.#closeStale(current);
  }
}
