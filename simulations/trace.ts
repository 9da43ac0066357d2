import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { epochMs } from './paperwork.ts';

/** The trace, one line per happening: two runs of one seed must write the same. */
export class Trace {
  readonly lines: string[] = [];
  readonly #names = new Map<string, string>();

  /** From here on `id` is written as `name`. */
  name(id: string, name: string): void {
    this.#names.set(id, name);
  }

  nameOf(id: string): string {
    return this.#names.get(id) ?? id.slice(0, 8);
  }

  write(now: number, who: string, what: string): void {
    this.lines.push(`${((now - epochMs) / 1000).toFixed(3).padStart(9)} ${who.padEnd(10)} ${what}`);
  }

  get hash(): string {
    return bytesToHex(sha256(utf8ToBytes(this.lines.join('\n'))));
  }
}
