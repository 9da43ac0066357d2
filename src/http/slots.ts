import { QuorateError } from '../core/errors.ts';

/** So many of something expensive at once. */
export class Slots {
  readonly #max: number;
  readonly #what: string;
  #taken = 0;

  /** `what`: in the plural. */
  constructor(max: number, what: string) {
    this.#max = max;
    this.#what = what;
  }

  /** Gives it back when called, once. Errors: `HTTP_BUSY`. */
  take(): () => void {
    if (this.#taken >= this.#max)
      throw new QuorateError('HTTP_BUSY', `too many ${this.#what} at once; try again in a moment`);
    this.#taken++;
    let held = true;
    return () => {
      if (held) this.#taken--;
      held = false;
    };
  }
}
