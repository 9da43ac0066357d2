import type { Client } from '../../member/client.ts';
import type { Charter } from '../../protocol/documents/index.ts';
import { watchNodeLimits } from './limits.ts';

interface Held {
  opening: Promise<Client>;
  /** Of the steady clock, in milliseconds. */
  since: number;
  users: number;
  /** It is closed once nobody uses it. */
  stale: boolean;
}

/** The watcher's way to the controller: one client, opened again when it is old or something failed. */
export class Connection {
  readonly #open: () => Promise<Client>;
  #current: Held | undefined;
  #charter: Charter | undefined;

  constructor(open: () => Promise<Client>) {
    this.#open = open;
  }

  /** The newest that a client had; undefined before the first one. */
  get charter(): Charter | undefined {
    return this.#charter;
  }

  async use<T>(act: (client: Client) => Promise<T>): Promise<T> {
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

  #fresh(): Held {
    const current = this.#current;
    // One that is stale is closed by the last of its users.
    if (current !== undefined && !current.stale) {
      if (performance.now() - current.since < watchNodeLimits.clientMsMax) return current;
      current.stale = true;
      void this.#closeStale(current);
    }
    this.#current = { opening: this.#open(), since: performance.now(), users: 0, stale: false };
    return this.#current;
  }

  async #closeStale({ opening, users, stale }: Held): Promise<void> {
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
