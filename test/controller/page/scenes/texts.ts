import { leftOutNote } from '../../../../src/protocol/base/log-notes.ts';

/** The log of a build that went well, with its steps. */
export const passingLog = `quorate: step 1 of 3: Install
added 212 packages in 3 s
quorate: step 2 of 3: Compile
\u001b[32mok\u001b[0m  src/index.ts
\u001b[32mok\u001b[0m  src/lantern.ts
quorate: step 3 of 3: Package
`;

/** Of one whose second step failed. */
export const failingLog = `quorate: step 1 of 3: Install
added 212 packages in 3 s
quorate: step 2 of 3: Compile
src/lantern.ts(41,17): \u001b[31merror\u001b[0m TS2339: Property 'glow' does not exist on type 'Wick'.
src/lantern.ts(57,3): \u001b[31merror\u001b[0m TS7030: Not all code paths return a value.
npm error code 2
npm error command failed
quorate: step 2 of 3 failed: exit 1 (Compile)
`;

/** Of tests of which two failed. */
export const testLog = `quorate: step 1 of 2: Install
added 212 packages in 3 s
quorate: step 2 of 2: Unit tests
\u001b[32m✓\u001b[0m wick > burns for an hour
\u001b[32m✓\u001b[0m wick > is white
\u001b[31m✗\u001b[0m lantern > glows in the dark
    AssertionError: expected 0 to be greater than 3
\u001b[31m✗\u001b[0m lantern > survives a storm
    Error: blown out after 2 s
quorate: step 2 of 2 failed: exit 1 (Unit tests)
`;

/** Results of seven tests, of which so many failed. */
export function junit(failures: 0 | 2): string {
  const cases = [
    ['wick', 'burns for an hour', ''],
    ['wick', 'is white', ''],
    ['wick', 'can be trimmed', ''],
    ['lantern', 'glows in the dark', 'expected 0 to be greater than 3'],
    ['lantern', 'survives a storm', 'blown out after 2 s'],
    ['lantern', 'stands on three legs', ''],
  ] as const;
  const rows = cases.map(([suite, name, message], n) => {
    const failure =
      message !== '' && failures > 0
        ? `<failure message="${message}">at lantern.test.ts:${12 + n}</failure>`
        : '';
    return `<testcase classname="${suite}" name="${name}" time="0.${n + 1}2">${failure}</testcase>`;
  });
  const skipped = '<testcase classname="lantern" name="hangs from a hook" time="0"><skipped/></testcase>';
  return `<?xml version="1.0"?><testsuites><testsuite name="lantern" tests="7" failures="${failures}" skipped="1" time="2.52">${rows.join('')}${skipped}</testsuite></testsuites>`;
}

/** So many lines of a compiler, some with colours. */
export const longLog = (lines: number): string =>
  Array.from(
    { length: lines },
    (_, n) =>
      `\u001b[3${n % 8}m[${n + 1}]\u001b[0m cc -O2 -Wall -c src/module-${n}.c -o build/module-${n}.o\n`,
  ).join('');

export const cutLog = `quorate: step 1 of 2: Configure\n${longLog(200)}${leftOutNote(73_211)}\n${longLog(40)}`;

/** Text of strangers that breaks out of a page which forgets to escape it. The first is one that a ref may be, too. */
export const hostileWord = '<script>alert(1)</script>"><img/src=x/onerror=alert(1)>&lt;b&gt;${7*7}';
export const hostile = `\u0007\u001b[31m' ${hostileWord}`;
