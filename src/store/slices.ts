/** Longest time for which work that awaits nothing slow holds the event loop, in ms. */
const sliceMs = 8;

/** A browser, where trees are built too, has no `setImmediate`. */
const turn = (act: () => void): unknown =>
  typeof setImmediate === 'function' ? setImmediate(act) : setTimeout(act);

/** Gives the event loop to others after each slice of work: awaiting promises that are resolved never does. */
export class Slices {
  #end = performance.now() + sliceMs;

  /** Undefined within a slice. */
  pause(): Promise<void> | undefined {
    return performance.now() < this.#end ? undefined : this.#give();
  }

  async #give(): Promise<void> {
    await new Promise<void>(turn);
    this.#end = performance.now() + sliceMs;
  }
}
