/** Values by key, at most so many: the oldest one goes first. */
export class Recent<Value> {
  readonly #held = new Map<string, Value>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  get(key: string): Value | undefined {
    return this.#held.get(key);
  }

  put(key: string, value: Value): void {
    this.#held.set(key, value);
    const [oldest = key] = this.#held.keys();
    if (this.#held.size > this.#max) this.#held.delete(oldest);
  }
}
