import { LineEscaper } from '../../protocol/base/escape.ts';
import { limits } from '../../protocol/base/limits.ts';
import { LogHints } from '../../terminal/log-hints.ts';
import type { Output } from '../../terminal/output.ts';

/** Output of a build on this host, line by line: control characters escaped, truncated where a worker would truncate it. */
export class LocalLog {
  readonly #out: Output;
  readonly #decoder = new TextDecoder();
  readonly #lines = new LineEscaper();
  readonly hints = new LogHints();
  #bytes = 0;

  constructor(out: Output) {
    this.#out = out;
  }

  write(chunk: Uint8Array): void {
    if (this.#bytes >= limits.logBytesMax) return;
    const kept = chunk.subarray(0, limits.logBytesMax - this.#bytes);
    this.#bytes += kept.length;
    this.#say(this.#lines.push(this.#decoder.decode(kept, { stream: true })));
    if (this.#bytes < limits.logBytesMax) return;
    this.end();
    this.#say(['[quorate: the log reached its limit; the rest is left out]']);
  }

  end(): void {
    this.#say([...this.#lines.push(this.#decoder.decode()), ...this.#lines.end()]);
  }

  #say(lines: string[]): void {
    if (lines.length === 0) return;
    this.#out.say(...lines);
    for (const line of lines) this.hints.push(line);
    for (const line of lines) this.#out.value({ event: 'output', line });
  }
}
