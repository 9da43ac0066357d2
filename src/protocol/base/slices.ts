/** Longest time for which long work holds the event loop at a stretch, in milliseconds. */
const sliceMs = 2;

export interface EventLoop {
  /** Milliseconds since an arbitrary start. */
  now(): number;
  /** Calls `act` once others have had their turn. */
  turn(act: () => void): unknown;
}

/** Long work in slices: `if (slices.isOver) await slices.next()` after each piece; resolved promises give no turn. Waits for a disk count. */
export class Slices {
  readonly #loop: EventLoop;
  #end: number;

  constructor(loop: EventLoop) {
    this.#loop = loop;
    this.#end = loop.now() + sliceMs;
  }

  get isOver(): boolean {
    return this.#loop.now() >= this.#end;
  }

  /** The next slice, in a later turn of the event loop. */
  async next(): Promise<void> {
    await new Promise<void>((resolve) => this.#loop.turn(resolve));
    this.#end = this.#loop.now() + sliceMs;
  }
}
