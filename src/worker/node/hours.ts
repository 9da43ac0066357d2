/** A part of each day, in minutes since midnight. It may extend past midnight; `from` = `to` is the whole day. */
export interface Hours {
  from: number;
  to: number;
}

const pattern = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/;

/** `20:00-08:00`; undefined for anything else. */
export function parseHours(text: string): Hours | undefined {
  const found = pattern.exec(text);
  if (found === null) return undefined;
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = found.slice(1).map(Number);
  return { from: fromHour * 60 + fromMinute, to: toHour * 60 + toMinute };
}

/** Whether a time of day, in minutes since midnight, is in one of them. An empty list means always. */
export function withinHours(hours: readonly Hours[], minute: number): boolean {
  return (
    hours.length === 0 ||
    hours.some(({ from, to }) => (from < to ? minute >= from && minute < to : minute >= from || minute < to))
  );
}
