import { PassThrough } from 'node:stream';
import type { Sink } from '../../src/terminal/output.ts';

/** A terminal of this size, or a pipe, that keeps what is written. */
export function sink(terminal?: { columns: number; rows: number }): Sink & { text(): string } {
  const stream = new PassThrough();
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  return Object.assign(stream, { isTTY: terminal !== undefined, ...terminal, text: () => text });
}

const esc = '\u001b';

/** The screen of a terminal of unlimited height after these bytes; understands what the board uses. */
export function screen(text: string): string[] {
  const lines: string[] = [''];
  let row = 0;
  for (const part of text.split(new RegExp(`(${esc}\\[\\d*[AJ]|\\n)`))) {
    const up = new RegExp(`^${esc}\\[(\\d+)A$`).exec(part);
    if (up !== null) row -= Number(up[1]);
    else if (part === '\u001b[J') lines.splice(row, lines.length, '');
    else if (part === '\n') lines[++row] ??= '';
    else lines[row] = (lines[row] ?? '') + part;
  }
  return lines.slice(0, -1);
}
