import { readFileSync } from 'node:fs';

/** One run of files of tests: how it is told to test/mutate/vitest.config.ts, which lies in the copy. */
export interface Order {
  /** From the root of the copy, in the order in which they are to run. */
  readonly files: readonly string[];
  /** Whether some of them start the programs, which are made first. */
  readonly programs: boolean;
  readonly workers: number;
  readonly testMsMax: number;
  /** Where to write what they cover; all files run then, whatever fails. */
  readonly record?: string;
}

/** Name of the variable that holds the path of the order. */
export const orderVariable = 'QUORATE_MUTATE_ORDER';

export function readOrder(): Order {
  const path = process.env[orderVariable];
  if (path === undefined) throw new Error(`${orderVariable} names no file: npm run mutate runs this`);
  return JSON.parse(readFileSync(path, 'utf8'));
}
