import { escapeLine } from '../core/escape.ts';
import type { NodeEvent } from '../runtime/node/node-events.ts';
import type { Output } from './output.ts';

/** What a running node tells: one line each, `14:03:07 says`; with --json the event itself. */
export function eventPrinter(out: Output): (event: NodeEvent) => void {
  return (event) => {
    const { at, level, kind, says: sentence, data } = event;
    out.value({ event: kind, at, level, says: sentence, data });
    const time = new Date(at).toTimeString().slice(0, 8);
    const says = escapeLine(sentence, 500);
    out.say(`${out.colours.dim(time)} ${level === 'warn' ? out.colours.yellow(says) : says}`);
  };
}
