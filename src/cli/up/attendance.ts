/** Between two lines about those who are missing. */
const toldMs = 10_000;

/** Waits for members to connect. */
export class Attendance {
  readonly #missing: Set<unknown>;
  readonly #note: (says: string) => void;
  readonly #whole = Promise.withResolvers<void>();

  constructor(names: readonly string[], note: (says: string) => void) {
    this.#missing = new Set(names);
    this.#note = note;
  }

  came(name: unknown): void {
    this.#missing.delete(name);
    if (this.#missing.size === 0) this.#whole.resolve();
  }

  /** Resolves when all are there, or as `stopped` does; until then it names those who are missing every `toldMs`. */
  async whole(stopped: Promise<unknown>): Promise<void> {
    const tell = () => this.#note(`Waiting for ${[...this.#missing].join(', ')} to connect.`);
    const timer = setInterval(tell, toldMs);
    try {
      await Promise.race([this.#whole.promise, stopped]);
    } finally {
      clearInterval(timer);
    }
  }
}
