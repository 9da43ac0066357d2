import { keepNewest } from './maps.ts';

/** Values by key, at most so many: the oldest one goes first. */
export class Recent<Value> {
  readonly #held = new Map<string, Value>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  of(key: string, make: (key: string) => Value): Value {
    const held = this.#held.get(key);
    if (held !== undefined) return held;
    const value = make(key);
    keepNewest(this.#held, key, value, this.#max);
    return value;
  }
}
