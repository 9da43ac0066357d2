// A program for tests: holds the journal named on its command line and appends events 1, 2, 3 … until it is killed, each
// printed once `append` has returned. When one fails it prints the error's code and ends.
import { writeSync } from 'node:fs';
import { openJournal } from '../../src/journal/index.ts';

const [, , path = ''] = process.argv;
const journal = openJournal<{ n: number }>(path, { name: 'a machine', rules: 1 });
for (let n = 1; ; n++) {
  try {
    journal.append({ n }, Date.now());
  } catch (error) {
    writeSync(1, `${(error as { code?: string }).code}\n`);
    break;
  }
  writeSync(1, `${n}\n`);
}
