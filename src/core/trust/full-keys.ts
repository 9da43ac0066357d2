import { limits } from '../limits.ts';

/** A sentence without its end: a key that has signed as many revocations as one may. */
export const sayFull = (key: string): string =>
  `the key ${key} has signed ${limits.revocationsMax} revocations, and no more of it are taken: end that key`;
