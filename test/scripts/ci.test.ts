import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const scripts = join(import.meta.dirname, '..', '..', 'scripts');
let temp: string;

function judge(script: string, text: string) {
  const file = join(temp, 'input');
  writeFileSync(file, text);
  const run = spawnSync(process.execPath, [join(scripts, script), file], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  const lines = run.stdout.trimEnd().split('\n');
  return { code: run.status, lines, last: lines.at(-1) };
}

beforeAll(() => {
  temp = mkdtempSync(join(tmpdir(), 'quorate-ci-'));
});
afterAll(() => rmSync(temp, { recursive: true, force: true }));

describe('the count of tests', () => {
  const report = (passed: number, files: object[] = []) =>
    JSON.stringify({ numPassedTests: passed, testResults: files });
  const wrong = {
    name: join(process.cwd(), 'test', 'some.test.ts'),
    status: 'failed',
    assertionResults: [
      { status: 'passed', fullName: 'some thing holds' },
      {
        status: 'failed',
        fullName: 'some thing breaks',
        failureMessages: ['Error: 1 is not 2\n    at there'],
      },
    ],
  };
  const notExecuted = expect.stringMatching(
    /^not executed on this machine: KVM .*, cgroup v[12].*, (aarch64|x86-64)/,
  );
  const unloaded = { ...wrong, message: 'no such module\n    at here', assertionResults: [] };

  it.each([
    ['all passed', report(7), 0, '7 passed, 0 failed'],
    ['one failed', report(6, [wrong]), 1, '6 passed, 1 failed'],
    ['a file did not load', report(6, [unloaded]), 1, '6 passed, 1 failed'],
    ['none ran', report(0), 1, '0 passed, 0 failed'],
    ['no report', 'not JSON', 1, '0 passed, 1 failed'],
  ])('%s', (_, text, code, last) => expect(judge('count-tests.js', text)).toMatchObject({ code, last }));

  it('has how many were skipped, after the name of each', () => {
    const skipped = { status: 'skipped', fullName: 'as root a user becomes another' };
    const file = { ...wrong, status: 'passed', assertionResults: [skipped] };
    expect(judge('count-tests.js', report(6, [file]))).toMatchObject({
      code: 0,
      lines: [
        'skipped: test/some.test.ts > as root a user becomes another',
        notExecuted,
        '6 passed, 0 failed, 1 skipped',
      ],
    });
  });

  it('comes after the name of each failed test and what it said', () => {
    expect(judge('count-tests.js', report(6, [wrong, unloaded])).lines).toEqual([
      'failed: test/some.test.ts > some thing breaks',
      '  Error: 1 is not 2',
      'failed: test/some.test.ts',
      '  no such module',
      notExecuted,
      '6 passed, 2 failed',
    ]);
  });
});

describe('the judgement of the demo', () => {
  const good = { level: 'trusted', dissent: 1, fetched: true };
  it('passes a trusted artifact over one dissent, fetched', () => {
    expect(judge('check-demo.js', `> npm\n${JSON.stringify(good)}\n`)).toMatchObject({ code: 0 });
  });

  it.each([
    ['not trusted', { ...good, level: 'agreed' }, 'demo: level is "agreed", not "trusted"'],
    ['no dissent', { ...good, dissent: 0 }, 'demo: dissent is 0, not 1'],
    ['not fetched', { ...good, fetched: false }, 'demo: fetched is false, not true'],
  ])('fails one %s', (_, said, last) => {
    expect(judge('check-demo.js', JSON.stringify(said))).toMatchObject({ code: 1, last });
  });

  it('fails one that said nothing', () => expect(judge('check-demo.js', '')).toMatchObject({ code: 1 }));
});

describe('the runner', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(scripts, 'run.js'), ...args], { encoding: 'utf8', timeout: 120_000 });

  it('runs a file with its arguments, on a Node that its children find too, and ends as it ends', () => {
    const file = join(temp, 'program.js');
    writeFileSync(
      file,
      `const { execFileSync } = require('node:child_process');
const node = execFileSync('node', ['--version'], { encoding: 'utf8' }).trim();
console.log(process.argv.slice(2).join() + ' ' + (node === process.version));
process.exit(5);
`,
    );
    expect(run(file, 'a', 'b')).toMatchObject({ status: 5, stdout: 'a,b true\n' });
  });

  it('says what is not there', () => {
    expect(run('no-such-tool')).toMatchObject({ status: 3, stdout: '' });
    expect(run()).toMatchObject({ status: 2 });
  });
});
