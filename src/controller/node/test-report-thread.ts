import { answerAsked } from '../../dependencies/thread/answer.ts';
import { addResults, noResults, readJunit, type TestResults } from '../../protocol/base/junit.ts';

/** The results in these files together; null where none of them is JUnit. */
function read(files: readonly Uint8Array[]): TestResults | null {
  const results = noResults();
  let known = false;
  for (const file of files) {
    const one = readJunit(Buffer.from(file).toString('utf8'));
    if (one === undefined) continue;
    known = true;
    addResults(results, one);
  }
  return known ? results : null;
}

void answerAsked(read);
