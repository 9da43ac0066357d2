// Prints `N passed, N failed` from vitest's JSON reports, all together: `node scripts/count-tests.js FILE...`, with
// `, N skipped` where some were. Before it come the name of each test that was skipped, a line or two for each that failed, so
// that the end of a long record says what is wrong, and what this machine cannot execute. A file of tests that could not even be
// loaded is one failure; so is a report that is not there. Exit 1 unless something passed in each and nothing failed.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { argv, cwd, exit, stdout } from 'node:process';
import { stripVTControlCharacters } from 'node:util';
import { notExecuted } from './not-executed.js';

const firstLine = (message) =>
  stripVTControlCharacters(message ?? '')
    .split('\n', 1)[0]
    .slice(0, 200);

/** How a file of tests failed: each failed test with its message's first line, or the file itself if none could run. */
function failuresOf({ name, status, message, assertionResults }) {
  const file = relative(cwd(), name);
  const failed = assertionResults.filter((test) => test.status === 'failed');
  if (failed.length > 0)
    return failed.map(
      ({ fullName, failureMessages }) => `${file} > ${fullName}\n  ${firstLine(failureMessages[0])}`,
    );
  return status === 'failed' ? [`${file}\n  ${firstLine(message)}`] : [];
}

const skippedOf = ({ name, assertionResults }) =>
  assertionResults
    .filter(({ status }) => status !== 'passed' && status !== 'failed')
    .map(({ fullName }) => `${relative(cwd(), name)} > ${fullName}`);

function read(path) {
  try {
    const { numPassedTests, testResults } = JSON.parse(readFileSync(path, 'utf8'));
    const [failures, skipped] = [testResults.flatMap(failuresOf), testResults.flatMap(skippedOf)];
    return { passed: numPassedTests, failures, skipped };
  } catch (problem) {
    return { passed: 0, failures: [`${path}\n  no report of tests: ${problem.message}`], skipped: [] };
  }
}

const reports = argv.slice(2).map(read);
const failures = reports.flatMap((report) => report.failures);
const skipped = reports.flatMap((report) => report.skipped);
const passed = reports.reduce((total, report) => total + report.passed, 0);
for (const test of skipped) stdout.write(`skipped: ${test}\n`);
for (const failure of failures) stdout.write(`failed: ${failure}\n`);
stdout.write(`${notExecuted()}\n`);
const counts = [`${passed} passed`, `${failures.length} failed`];
if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
stdout.write(`${counts.join(', ')}\n`);
exit(reports.length > 0 && failures.length === 0 && reports.every((report) => report.passed > 0) ? 0 : 1);
