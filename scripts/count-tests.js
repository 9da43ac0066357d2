// Prints `N passed, N failed` from vitest's JSON reports, all together: `node scripts/count-tests.js FILE...`. A file of tests
// that could not even be loaded is one failure; so is a report that is not there. Exit 1 unless something passed in each and
// nothing failed.
import { readFileSync } from 'node:fs';
import { argv, exit, stdout } from 'node:process';

function count(path) {
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(path, 'utf8'));
    const unloaded = testResults.filter(
      ({ status, assertionResults }) =>
        status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
    );
    return { passed: numPassedTests, failed: numFailedTests + unloaded.length };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

const counts = argv.slice(2).map(count);
const sum = (what) => counts.reduce((total, one) => total + one[what], 0);
stdout.write(`${sum('passed')} passed, ${sum('failed')} failed\n`);
exit(counts.length > 0 && counts.every(({ passed, failed }) => passed > 0 && failed === 0) ? 0 : 1);
