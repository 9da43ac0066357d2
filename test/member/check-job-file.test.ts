import { beforeAll, describe, expect, it } from 'vitest';
import { parseJobFile } from '../../src/jobfile/index.ts';
import { checkJobFile } from '../../src/member/check-job-file.ts';
import { jobDocument } from '../../src/member/job-document.ts';
import type { Bundle, Job } from '../../src/protocol/documents/index.ts';
import { verifyWithout } from '../attacks/trust/attack.ts';
import { cidOf, makeJob, makeProject, type Project, type Recipe } from '../support/project.ts';

const trust = 'trust: {agree: 2, of: 3, cosign: required, rounds: 2}';
const image = `image: ${cidOf('image')}`;
const needs = '{lib: trusted, check: agreed}';
const file = `jobs:
  lib: {${image}, run: [make lib], ${trust}}
  check: {kind: test, ${image}, needs: {lib: agreed}, run: ['./check > $OUT/report'], ${trust}}
  app:
    ${image}
    run: ['make \${{ matrix.cc }}']
    matrix: {cc: [gcc, clang]}
    needs: ${needs}
    git: true
    ${trust}
`;

/** The job of that name as it is published, on another architecture. */
function published(text: string, name: string, dependencies?: Job['dependencies']): Job {
  const job = parseJobFile(text, 'x').jobs.find((one) => one.name === name);
  if (job === undefined) throw new Error(`no job ${name}`);
  const { url, commit, tree } = makeJob().source;
  const tag = job.git && { tag: { name: 'v1', object: 'd'.repeat(40) } };
  return { ...jobDocument({ repo: { url }, commit, tree, job, dependencies, ...tag }), arch: 'aarch64' };
}

const builds = (job: Job, tree: string): Recipe => ({
  job,
  runs: ['ada', 'bob', 'cyd'].map((operator) => ({ operator, builds: tree })),
  own: { operator: 'owner', builds: tree },
});

let app: Project;

beforeAll(async () => {
  const lib = await makeProject(builds(published(file, 'lib'), 'lib'));
  const check = await makeProject({
    ...builds(published(file, 'check'), 'report'),
    reads: { lib: { from: lib, level: 'agreed' } },
  });
  const reads = { lib: { from: lib }, check: { from: check, gate: true, level: 'agreed' } } as const;
  app = await makeProject({ ...builds(published(file, 'app.gcc'), 'app'), reads });
});

const refusal = (text: string, bundle: Bundle = app.bundle) =>
  checkJobFile(parseJobFile(text, 'x'), bundle).then(
    () => undefined,
    ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
  );

describe('a job file beside the evidence of a job', () => {
  it('says the same of that one, and of all that it rests on', async () => {
    expect(await verifyWithout([], app.bundle)).toMatchObject({ ok: true, level: 'trusted' });
    const names = await checkJobFile(parseJobFile(file, 'x'), app.bundle);
    expect(names.toSorted()).toEqual(['app.gcc', 'check', 'lib']);
    // Other jobs of the file are of no concern.
    expect(await refusal(`${file}  docs: {image: host, run: [make docs]}\n`)).toBeUndefined();
  });

  it.each<[string, [string, string], string]>([
    ['other commands', ['make $', 'evil $'], '"app.gcc"; the job file says something else of what'],
    ['other commands of what it rests on', ['make lib', 'evil'], '"lib"; the job file says something else'],
    [
      'another policy',
      [`git: true\n    ${trust}`, `git: true\n    ${trust.replace('of: 3', 'of: 2')}`],
      '"app.gcc"; the job file says another policy',
    ],
    [
      'fewer tests to wait for',
      [needs, '{lib: trusted}'],
      '"app.gcc"; the job file says that it needs other',
    ],
    ['another level of an input', [needs, '{lib: agreed, check: agreed}'], 'or at another level'],
    ['no git folder', ['    git: true\n', ''], '"app.gcc"; the job file says something else'],
    ['that a test is none', ['kind: test, ', ''], 'the job file says'],
    ['nothing of it', ['[gcc, clang]', '[clang]'], 'has no such job; it has lib, check, app.clang'],
  ])('is found out where it says %s', async (_what, [from, to], says) => {
    expect(file).toContain(from);
    const told = await refusal(file.replace(from, to));
    expect(told).toMatch(/^JOB_FILE_MISMATCH: /);
    expect(told).toContain(says);
  });

  it('is found out where it names other lock files, or none', async () => {
    const locks = (names: string) => `jobs:\n  lib: {${image}, run: [make], ${names} ${trust}}\n`;
    const said = locks('dependencies: [a/package-lock.json],');
    const dependencies = { locks: ['a/package-lock.json'], tree: cidOf('dependencies') };
    const { bundle } = await makeProject(builds(published(said, 'lib', dependencies), 'lib'));
    expect(await refusal(said, bundle)).toBeUndefined();
    for (const other of [
      'dependencies: [package-lock.json],',
      'dependencies: [a/package-lock.json, b/package-lock.json],',
      '',
    ])
      expect(await refusal(locks(other), bundle)).toMatch(/^JOB_FILE_MISMATCH: /);
  });
});
