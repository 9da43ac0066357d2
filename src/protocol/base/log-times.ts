import { limits } from './limits.ts';

/** Milliseconds since the build began, by the number of the line that was begun at that time, in order. Lines between have that of the one before. */
export type LineTimes = ReadonlyMap<number, number>;

const lineFeed = 10;
const carriageReturn = 13;

/** Times of lines of a log while it is written: one in a second, then in two, four and so on where there are too many. */
export class LogTimes {
  /** Lines and milliseconds in turn. */
  #entries: number[] = [];
  #everyMs = 1000;
  /** Ends of lines so far, as `LineEscaper` counts them. */
  #lines = 0;
  #last = lineFeed;
  #map: LineTimes | undefined;

  /** Those so far; the same map until there is another one. */
  get lines(): LineTimes {
    this.#map ??= new Map(
      this.#entries.flatMap((line, at, all) => (at % 2 === 0 ? [[line, all[at + 1] ?? 0] as const] : [])),
    );
    return this.#map;
  }

  /** Takes the next bytes of the log. `ms`: since the build began; never less than before. */
  push(bytes: Uint8Array, ms: number): void {
    if (bytes.length === 0) return;
    // The next one that begins.
    this.#note(this.#lines + (this.#last === lineFeed ? 1 : 2), ms);
    let last = this.#last;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === lineFeed || last === carriageReturn) this.#lines++;
      last = byte;
    }
    this.#last = last;
  }

  #note(line: number, ms: number): void {
    const entries = this.#entries;
    const before = entries.at(-1) ?? Number.NEGATIVE_INFINITY;
    if (!this.#isLater(before, ms)) return;
    this.#map = undefined;
    // It was not begun then: the line before it went on.
    if (entries.at(-2) === line) entries.length -= 2;
    entries.push(line, Math.round(ms));
    if (entries.length > 2 * limits.logTimesMax) this.#thin();
  }

  #isLater = (before: number, ms: number): boolean =>
    Math.floor(before / this.#everyMs) < Math.floor(ms / this.#everyMs);

  #thin(): void {
    this.#map = undefined;
    this.#everyMs *= 2;
    const all = this.#entries;
    const kept: number[] = [];
    for (let at = 0; at < all.length; at += 2) {
      const [line = 0, ms = 0] = all.slice(at, at + 2);
      if (kept.length === 0 || this.#isLater(kept.at(-1) ?? 0, ms)) kept.push(line, ms);
    }
    this.#entries = kept;
  }

  /** As `parseLogTimes` reads it, of so many characters at most; undefined where there is no room for one. */
  text(charsMax: number): string | undefined {
    for (;;) {
      const words: string[] = [];
      let [line, ms] = [0, 0];
      for (let at = 0; at < this.#entries.length; at += 2) {
        const [nextLine = 0, nextMs = 0] = this.#entries.slice(at, at + 2);
        words.push(`${nextLine - line}+${nextMs - ms}`);
        [line, ms] = [nextLine, nextMs];
      }
      const text = words.join(' ');
      if (text.length <= Math.min(charsMax, limits.logTimesCharsMax)) return text === '' ? undefined : text;
      if (words.length <= 1) return undefined;
      this.#thin();
    }
  }
}

/** `12+1500 3+1004`: how many lines further, and how many milliseconds later. */
const word = /(\d{1,8})\+(\d{1,9})(?: |$)/y;

/** Reads what a worker says of the times of its log, up to where it is none or goes beyond what a log and a build can have. */
export function parseLogTimes(text: string): LineTimes {
  const times = new Map<number, number>();
  let [line, ms] = [0, 0];
  word.lastIndex = 0;
  while (text.length <= limits.logTimesCharsMax && times.size < limits.logTimesMax) {
    const [, lines, later] = word.exec(text) ?? [];
    if (lines === undefined || Number(lines) === 0) break;
    line += Number(lines);
    ms += Number(later);
    if (line > limits.logBytesMax || ms > limits.logTimeMsMax) break;
    times.set(line, ms);
  }
  word.lastIndex = 0;
  return times;
}

/** The time of any line; undefined before the first that has one. */
export function timeOfLine(times: LineTimes, line: number): number | undefined {
  let found: number | undefined;
  for (const [at, ms] of times) {
    if (at > line) break;
    found = ms;
  }
  return found;
}

/** `0:05`, `12:30`, `1:02:03`: whole seconds, as times of lines are no finer. */
export function clockText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (count: number): string => String(count).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return `${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
}
