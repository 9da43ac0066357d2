import { escapeLine } from '../core/escape.ts';
import type { NodeEvent } from '../runtime/node/node-events.ts';
import type { TransferEvent } from '../runtime/node/tell-transfer.ts';
import type { Output } from './output.ts';

/** Where rows cannot change in place, a transfer that goes on is printed this often. */
const transferLineMs = 10_000;

/**
 * Prints events of a running node: one line each, `14:03:07 <text>`; with --json the event as JSON. Transfers are rows below
 * these lines on a terminal, elsewhere a line from time to time.
 */
export function eventPrinter(out: Output): (event: NodeEvent) => void {
  const board = out.board();
  /** When each running transfer was last printed; an entry goes with the transfer. */
  const printed = new Map<string, number>();
  return (event) => {
    const { at, level, kind, says: sentence, data } = event;
    if (kind === 'transfer') {
      const { image, state } = data as unknown as TransferEvent;
      if (state === 'running') {
        if (board.live) return board.set(image, { text: escapeLine(sentence, 500) });
        if (at - (printed.get(image) ?? Number.NEGATIVE_INFINITY) < transferLineMs) return;
        printed.set(image, at);
      } else {
        printed.delete(image);
        board.remove(image);
      }
    }
    out.value({ event: kind, at, level, says: sentence, data });
    const time = new Date(at).toTimeString().slice(0, 8);
    const says = escapeLine(sentence, 500);
    board.say(`${out.colours.dim(time)} ${level === 'warn' ? out.colours.yellow(says) : says}`);
  };
}
