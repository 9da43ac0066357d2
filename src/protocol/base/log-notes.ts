/** Lines that tell where a log is cut. `missing`: its worker has the whole one. `limit`: nothing more of it was kept anywhere. */
export type LogCut = 'missing' | 'limit';

export const leftOutNote = (bytes: number): string =>
  `[quorate: ${bytes} bytes are left out here, as they came faster than they could be sent]`;
export const notReceivedNote = '[quorate: the rest of the log was not received]';
export const limitNote = '[quorate: the log reached its limit; the rest is left out]';

/** Beginning of a line, or after output without a line break. A build can print such a line: its own log then says that it is cut. */
const missing = /\[quorate: (?:\d{1,9} bytes are left out here|the rest of the log was not received)/;

/** Says where a text has such a line. */
export function logCutIn(text: string): LogCut | undefined {
  if (missing.test(text)) return 'missing';
  return text.includes(limitNote) ? 'limit' : undefined;
}
