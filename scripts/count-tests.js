// Prints `N passed, N failed` from vitest's JSON report: `node scripts/count-tests.js FILE`. A file of tests that could
// not even be loaded is one failure; so is a report that is not there. Exit 1 unless something passed and nothing failed.
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

const { passed, failed } = count(argv[2]);
stdout.write(`${passed} passed, ${failed} failed\n`);
exit(passed > 0 && failed === 0 ? 0 : 1);
