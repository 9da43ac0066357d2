import { QuorateError } from '../protocol/base/errors.ts';
import { egressLimits } from './limits.ts';
import { printable, type Target } from './rules.ts';

/**
 * Counts refusals of one destination in a row. Some clients repeat a refused request without end: npm 10 and 11 do so at once
 * and for ever, when more requests wait than may be open.
 */
export class RefusalRows {
  /** By destination; the oldest is forgotten when there are too many. */
  readonly #rows = new Map<string, number>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  reached(asked: Target): void {
    this.#rows.delete(keyOf(asked));
  }

  /** The reason to give up, once the destination was refused too often in a row. */
  refused(asked: Target, refusal: QuorateError): QuorateError | undefined {
    const key = keyOf(asked);
    const row = (this.#rows.get(key) ?? 0) + 1;
    this.#rows.set(key, row);
    for (const oldest of this.#rows.keys()) {
      if (this.#rows.size <= egressLimits.refusedDestinationsMax) break;
      this.#rows.delete(oldest);
    }
    if (row < this.#max) return undefined;
    return new QuorateError(
      'EGRESS_REFUSED_REPEATEDLY',
      `${row} requests in a row for ${printable(key)} were refused: ${refusal.code}: ${refusal.message}`,
      { ...(refusal.hint !== undefined && { hint: refusal.hint }), cause: refusal },
    );
  }
}

const keyOf = ({ host, port }: Target): string => `${host.toLowerCase()}:${port}`;
