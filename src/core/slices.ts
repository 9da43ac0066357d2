/** Longest time for which work that awaits nothing slow holds the event loop, in ms. */
const sliceMs = 4;

export interface EventLoop {
  /** Milliseconds since an arbitrary start. */
  now(): number;
  /** Calls `act` once others have had their turn. */
  turn(act: () => void): unknown;
}

/** Gives the event loop to others after each slice of work: awaiting promises that are resolved never does. */
export class Slices {
  readonly #loop: EventLoop;
  #end: number;

  constructor(loop: EventLoop) {
    this.#loop = loop;
    this.#end = loop.now() + sliceMs;
  }

  /** Undefined within a slice. */
  pause(): Promise<void> | undefined {
    return this.#loop.now() < this.#end ? undefined : this.#give();
  }

  async #give(): Promise<void> {
    await new Promise<void>((resolve) => this.#loop.turn(resolve));
    this.#end = this.#loop.now() + sliceMs;
  }
}
