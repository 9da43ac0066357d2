import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseJobFile } from '../../../src/jobfile/index.ts';
import { jobFileLimits } from '../../../src/jobfile/limits.ts';
import { quorate, repository } from '../../cli/support.ts';

const path = '.github/workflows/test.yml';
const workflow = `on: push
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: npm ci && npm test
`;

function withWorkflow(text = workflow): string {
  const repo = repository();
  mkdirSync(join(repo, '.github', 'workflows'), { recursive: true });
  writeFileSync(join(repo, path), text);
  writeFileSync(join(repo, 'package-lock.json'), '{}');
  return repo;
}

const jobsIn = (repo: string) => parseJobFile(readFileSync(join(repo, 'quorate.yaml'), 'utf8'), 'x').jobs;

it('init --from makes a project with the jobs of another system, and lists what is left by file and line', async () => {
  const repo = withWorkflow();
  const { code, out } = await quorate(['init', '--from', path], { cwd: repo });
  expect(code).toBe(0);
  expect(out).toContain(`quorate.yaml         made of ${path}\n`);
  expect(out.split('\n').filter((line) => line.startsWith(`${path}:`))).toEqual([
    expect.stringMatching(/:1: on push: .*watch\.toml/),
    expect.stringMatching(/:4: runs-on ubuntu-latest: .*quorate image build/),
  ]);
  expect(jobsIn(repo)).toMatchObject([
    { name: 'test', kind: 'test', dependencies: ['package-lock.json'], run: [{ run: 'npm ci && npm test' }] },
  ]);
});

it('init --from makes the job file alone where there is a project', async () => {
  const repo = withWorkflow();
  await quorate(['init'], { cwd: repo });
  const twice = await quorate(['init', '--from', path], { cwd: repo });
  expect([twice.code, twice.out]).toEqual([2, '']);
  expect(twice.err).toContain('there is a quorate.yaml already');
  rmSync(join(repo, 'quorate.yaml'));
  const { code, out } = await quorate(['init', '--from', path, '--json'], { cwd: repo });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    jobFile: 'made',
    from: { kind: 'github', jobs: 1, findings: [{ line: 1, what: 'on push' }, { line: 4 }] },
  });
  expect(jobsIn(repo)).toHaveLength(1);
});

it.each<[what: string, text: string | undefined, says: RegExp]>([
  ['is not there', undefined, /there is no file absent\.yml/],
  ['is no YAML', 'jobs: [', /JOBFILE_INVALID[\s\S]*test\.yml:1: /],
  ['is of no known system', 'a: 1', /JOBFILE_FOREIGN_UNKNOWN|jobs/],
  ['is too large', `#${' '.repeat(jobFileLimits.bytesMax)}`, /JOBFILE_INVALID/],
])('init --from makes nothing where the file %s', async (_, text, says) => {
  const repo = withWorkflow(text);
  const file = text === undefined ? 'absent.yml' : path;
  const { code, err } = await quorate(['init', '--from', file], { cwd: repo });
  expect(err).toMatch(says);
  expect(code).toBe(2);
  expect([existsSync(join(repo, '.quorate')), existsSync(join(repo, 'quorate.yaml'))]).toEqual([
    false,
    false,
  ]);
});
