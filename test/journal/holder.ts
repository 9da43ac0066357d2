// A program for tests: holds the journal named on its command line and appends events 1, 2, 3 … until it is killed, each
// printed once `append` has returned. When one fails it prints the error's code and ends. After each fifty it pauses, for so many
// milliseconds as are given.
import { writeSync } from 'node:fs';
import { openJournal } from '../../src/journal/index.ts';

const [, , path = '', pauseMs = '0'] = process.argv;
const still = new Int32Array(new SharedArrayBuffer(4));
const journal = openJournal<{ n: number }>(path, { name: 'a machine', rules: 1 });
for (let n = 1; ; n++) {
  try {
    journal.append({ n }, Date.now());
  } catch (error) {
    writeSync(1, `${(error as { code?: string }).code}\n`);
    break;
  }
  writeSync(1, `${n}\n`);
  if (n % 50 === 0) Atomics.wait(still, 0, 0, Number(pauseMs));
}
