/** Beginning of a log that is compared, in UTF-16 units: a log that was told from its middle begins otherwise. */
const headChars = 256;

interface Shown {
  head: string;
  chars: number;
}

/** Said where what was shown before is no longer at the beginning of what is told. */
export const gapNote = '[the connection was lost: some of this log may be missing here, or be shown twice]\n';

/**
 * Logs as shown so far, by source, over several streams: each stream tells a log from its beginning, or, of a long one that
 * still runs, from where its end begins.
 */
export class ShownLogs {
  readonly #shown = new Map<string, Shown>();
  /** Of the stream that is read: what is still to be compared or passed over, by source. */
  #again = new Map<string, { told: string; left: number; isCompared: boolean }>();

  /** Another stream begins. */
  restart(): void {
    this.#again = new Map(
      [...this.#shown].map(([source, { chars }]) => [source, { told: '', left: chars, isCompared: false }]),
    );
  }

  /** The part of a piece that was not shown yet. */
  fresh(source: string, text: string): string {
    const shown = this.#shown.get(source) ?? { head: '', chars: 0 };
    this.#shown.set(source, shown);
    const fresh = this.#beyond(source, text, shown);
    shown.head = (shown.head + fresh).slice(0, headChars);
    shown.chars += fresh.length;
    return fresh;
  }

  #beyond(source: string, text: string, { head }: Shown): string {
    const again = this.#again.get(source);
    if (again === undefined) return text;
    let told = text;
    if (!again.isCompared) {
      again.told += text;
      told = again.told;
      if (head.startsWith(told)) return '';
      if (!told.startsWith(head)) {
        this.#again.delete(source);
        return gapNote + told;
      }
      again.isCompared = true;
    }
    const fresh = told.slice(again.left);
    again.left -= told.length - fresh.length;
    if (again.left === 0) this.#again.delete(source);
    return fresh;
  }
}
