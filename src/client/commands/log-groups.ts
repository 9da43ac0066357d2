import type { LogChunk } from '../../member/client.ts';

/** Text held back at most, in characters; beyond it logs are printed as they come. */
const heldMax = 64 * 1024 * 1024;

interface Held {
  chunk: LogChunk;
  texts: string[];
}

/** Holds the logs of finished builds back until they are complete, so that identical ones are shown once. */
export class LogGroups {
  readonly #held = new Map<string, Held>();
  #chars = 0;
  #full = false;

  /** Adds a chunk. Returns the chunks to print now: none while the held text is within the bound. */
  push(chunk: LogChunk): LogChunk[] {
    if (this.#full) return [chunk];
    const key = `${chunk.worker} ${chunk.slot}`;
    const held = this.#held.get(key) ?? { chunk, texts: [] };
    this.#held.set(key, held);
    held.texts.push(chunk.text);
    this.#chars += chunk.text.length;
    if (this.#chars <= heldMax) return [];
    this.#full = true;
    return [...this.#held.values()].flatMap(({ chunk: of, texts }) => texts.map((text) => ({ ...of, text })));
  }

  /** The logs held back, identical ones under the names of all their operators. */
  end(): LogChunk[] {
    if (this.#full) return [];
    const groups = new Map<string, LogChunk & { operators: string[] }>();
    for (const { chunk, texts } of this.#held.values()) {
      const text = texts.join('');
      const known = groups.get(text);
      if (known === undefined) groups.set(text, { ...chunk, text, operators: [chunk.operator] });
      else if (!known.operators.includes(chunk.operator)) known.operators.push(chunk.operator);
    }
    return [...groups.values()].map(({ operators, ...chunk }) => ({
      ...chunk,
      operator: operators.join(', '),
    }));
  }
}
