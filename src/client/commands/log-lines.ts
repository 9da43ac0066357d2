import type { LogChunk } from '../../member/client.ts';
import { escapeLine, LineEscaper } from '../../protocol/base/escape.ts';

/** Merges logs of several builds into whole lines, each prefixed with its operator, control characters escaped. */
export class LogLines {
  readonly #sources = new Map<string, { head: string; lines: LineEscaper }>();
  readonly #paint: (head: string) => string;

  constructor(paint: (head: string) => string) {
    this.#paint = paint;
  }

  /** The lines that this chunk completes. */
  push({ worker, operator, slot, text }: LogChunk): string[] {
    const key = `${worker} ${slot}`;
    const known = this.#sources.get(key);
    const source = known ?? {
      head: this.#paint(`${escapeLine(operator, 200)}│`),
      lines: new LineEscaper(),
    };
    this.#sources.set(key, source);
    return source.lines.push(text).map((line) => `${source.head} ${line}`);
  }

  /** The last lines, which have no line break. */
  end(): string[] {
    return [...this.#sources.values()].flatMap(({ head, lines }) =>
      lines.end().map((line) => `${head} ${line}`),
    );
  }
}
