import { escapeLine } from '../core/escape.ts';
import type { NodeEvent } from '../runtime/node/node-events.ts';
import type { Output } from './output.ts';

/** Prints events of a running node: one line each, `14:03:07 <text>`; with --json the event as JSON. */
export function eventPrinter(out: Output): (event: NodeEvent) => void {
  return (event) => {
    const { at, level, kind, says: sentence, data } = event;
    out.value({ event: kind, at, level, says: sentence, data });
    const time = new Date(at).toTimeString().slice(0, 8);
    const says = escapeLine(sentence, 500);
    out.say(`${out.colours.dim(time)} ${level === 'warn' ? out.colours.yellow(says) : says}`);
  };
}
