import { limits } from '../base/limits.ts';

/** A sentence without its end: a key that has signed as many revocations as one may. */
export const sayFull = (key: string): string =>
  `the key ${key} has signed ${limits.revocationsMax} revocations, and no more of it are taken: end that key`;

/** The same of a key that may be full of tickets instead. */
export const sayFullKey = (key: string): string =>
  `the key ${key} has signed ${limits.revocationsMax} revocations, or ${limits.ticketsOfKeyMax} tickets that were used or ${limits.joinsOfKeyMax} hosts joined with, and no more of it are taken: end that key`;

/** The same of revocations that count no more, which their owner may want to sign again. */
export function sayLapsed(lapsed: readonly { id: string; what: { kind: string; id: string } }[]): string {
  const named = lapsed.map(({ id, what }) => `${id.slice(0, 12)} (${what.kind} ${what.id})`);
  return `the root ended a key before an end could say which of its revocations stay, so that these count no more: ${named.join(', ')}`;
}
