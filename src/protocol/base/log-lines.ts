import { escapeLine, mapTexts } from './escape.ts';
import { isoTime } from './time.ts';

/** From what is of use to a developer only to what stops the process. */
export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

/** One line of a log, with the fields of docs/operations.md. */
interface LogRecord {
  event: string;
  /** Milliseconds since the epoch. */
  at: number;
  level: LogLevel;
  /** The kind of process: `controller`, `worker`, `bootstrap` … */
  service: string;
  says: string;
  data?: Record<string, unknown>;
}

const saysCharsMax = 500;
/** syslog(3), as journald reads them at the start of a line (sd-daemon(3)). */
const priorities: Record<LogLevel, number> = { debug: 7, info: 6, warn: 4, error: 3 };

/** Tickets, credentials in URLs, and values of headers and parameters that authorise. */
const secrets: readonly [RegExp, string][] = [
  [/quorate1\.[\w.~-]+/g, 'quorate1.[removed]'],
  [/\b([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@]{1,300}@/gi, '$1[removed]@'],
  [/\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi, '$1 [removed]'],
  [/\b((?:access_|refresh_|id_)?token|(?:client_)?secret|password)=[^\s&"']+/gi, '$1=[removed]'],
  [/([?&](?:code|state)=)[^\s&"']+/gi, '$1[removed]'],
];

/** The text without what would let a reader of the log act as somebody else. */
export function withoutSecrets(text: string): string {
  return secrets.reduce((left, [what, instead]) => left.replace(what, instead), text);
}

/** Whether a log of this level has lines of that one. */
export const isLogged = (level: LogLevel, at: LogLevel): boolean =>
  logLevels.indexOf(at) >= logLevels.indexOf(level);

export function logRecord(
  service: string,
  { kind, at, level, says, data }: Omit<LogRecord, 'event' | 'service'> & { kind: string },
): LogRecord {
  const cleaned = mapTexts(data, withoutSecrets, (name) => name) as LogRecord['data'];
  return { event: kind, at, level, service, says: withoutSecrets(says), ...(cleaned && { data: cleaned }) };
}

/** Time, level and kind before the sentence, without control characters; in the form of journald, which has its own time, with a priority. */
export function logText({ event, at, level, says }: LogRecord, { journald }: { journald: boolean }): string {
  const text = `${event}: ${escapeLine(says, saysCharsMax)}`;
  return journald ? `<${priorities[level]}>${text}` : `${isoTime(at)} ${level.padEnd(5)} ${text}`;
}
