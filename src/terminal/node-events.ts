import type { NodeEvent } from '../node/node-events.ts';
import type { TransferEvent } from '../node/tell-transfer.ts';
import { escapeLine } from '../protocol/base/escape.ts';
import { isLogged, type LogLevel, logRecord, logText } from '../protocol/base/log-lines.ts';
import type { Output } from './output.ts';

/** Where rows cannot change in place, a transfer that goes on is printed this often. */
const transferLineMs = 10_000;

/**
 * Prints events of a running node: `14:03:07 <text>` on a terminal, elsewhere a line of the log (for journald where it reads it), JSON with
 * --json. Transfers are rows below the lines on a terminal, elsewhere a line from time to time.
 */
export function eventPrinter(
  out: Output,
  { service, level: least = 'info' }: { service: string; level?: LogLevel | undefined },
): (event: NodeEvent) => void {
  const board = out.board();
  /** When each running transfer was last printed; an entry goes with the transfer. */
  const printed = new Map<string, number>();
  return (event) => {
    const { at, level, kind, says: sentence, data } = event;
    if (!isLogged(least, level)) return;
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
    const record = logRecord(service, event);
    out.value(record);
    if (!out.isTerminal) return board.say(logText(record, out));
    const time = new Date(at).toTimeString().slice(0, 8);
    const says = escapeLine(record.says, 500);
    const { dim, red, yellow } = out.colours;
    const paint = { error: red, warn: yellow, info: String, debug: String }[level];
    board.say(`${dim(time)} ${paint(says)}`);
  };
}
