/** The farthest time that a `Date` holds: a witness may state any number of seconds. */
const timeMax = 8.64e15;

/** ISO 8601 in UTC of milliseconds since the epoch, a part of one left out. */
export const isoTime = (time: number): string =>
  new Date(Math.max(-timeMax, Math.min(timeMax, Math.floor(time)))).toISOString();

/**
 * Whole seconds since the epoch of an ISO 8601 time in UTC, as signed documents have it. A fraction of other than three digits is
 * no time to every browser's `Date`.
 */
export const secondsOfIso = (text: string): number => Date.parse(text.replace(/\.\d+Z$/, 'Z')) / 1000;
