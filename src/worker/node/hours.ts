/** A part of each day, in minutes since midnight. It may extend past midnight; `from` = `to` is the whole day. */
export interface Hours {
  from: number;
  to: number;
}

/** `20:00-08:00`. */
export const hoursPattern = /^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$/;

export function parseHours(text: string): Hours {
  const [fromHour = 0, fromMinute = 0, toHour = 0, toMinute = 0] = text.split(/[:-]/).map(Number);
  return { from: fromHour * 60 + fromMinute, to: toHour * 60 + toMinute };
}

/** Whether a time of day, in minutes since midnight, is in one of them. An empty list means always. */
export function withinHours(hours: readonly Hours[], minute: number): boolean {
  return (
    hours.length === 0 ||
    hours.some(({ from, to }) => (from < to ? minute >= from && minute < to : minute >= from || minute < to))
  );
}
