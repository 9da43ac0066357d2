/** Small pieces are joined up to here: kept alone, each would cost many times its length. */
const joinedChars = 4 * 1024;

/** The whole lines among the last `charsMax` UTF-16 units of a text that arrives in pieces. A piece costs its own length, not that of the end. */
export class TextTail {
  readonly #charsMax: number;
  #pieces: string[] = [];
  #chars = 0;
  /** Pieces at the front that have fallen off. */
  #dropped = 0;
  #isCut = false;

  constructor(charsMax: number) {
    this.#charsMax = charsMax;
  }

  push(piece: string): void {
    const last = this.#pieces.at(-1);
    if (
      last !== undefined &&
      this.#pieces.length - 1 > this.#dropped &&
      last.length + piece.length <= joinedChars
    )
      this.#pieces[this.#pieces.length - 1] = last + piece;
    else this.#pieces.push(piece);
    this.#chars += piece.length;
    for (;;) {
      const first = this.#pieces[this.#dropped]?.length ?? 0;
      if (this.#chars - first < this.#charsMax) break;
      this.#chars -= first;
      this.#isCut = true;
      this.#dropped += 1;
    }
    if (2 * this.#dropped < this.#pieces.length) return;
    this.#pieces.splice(0, this.#dropped);
    this.#dropped = 0;
  }

  text(): string {
    const all = this.#pieces.slice(this.#dropped).join('');
    if (!this.#isCut && all.length <= this.#charsMax) return all;
    const end = all.slice(-this.#charsMax);
    return end.slice(end.indexOf('\n') + 1);
  }
}
