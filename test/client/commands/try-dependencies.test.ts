import { beforeAll, describe, expect, it } from 'vitest';
import { codeIn } from '../../bad-input/support/person.ts';
import { npmProject, registry } from '../../dependencies/registry.ts';
import { npmPackage, sri } from '../../dependencies/tools/support.ts';
import { jobFile } from '../../e2e/support/jobs.ts';
import { arrive, attempt, event, repository } from './trying.ts';

beforeAll(arrive);

const job = (locks: string) =>
  jobFile({
    run: ['npm ci', `node -p "require('one')" > "$OUT/said"`],
    memory: '1GiB',
    disk: '256MiB',
  }).replace('    image: host\n', `    image: host\n    dependencies: ${locks}\n`);

describe('quorate try of a job with dependencies', () => {
  it('fetches what the lock file names, once, and builds with it offline', async () => {
    const one = await npmPackage('one', '1.0.0');
    const { url, asked } = await registry({ '/one/-/one-1.0.0.tgz': one });
    const dir = await repository(job('[package-lock.json]'), npmProject(url, { one: sri('sha512', one) }));
    const answer = await attempt(dir, '--json');
    expect(answer.code, answer.report).toBe(0);
    expect(event(answer, 'dependencies')).toMatchObject({ files: 1, fetchedBytes: one.length });
    expect(event(answer, 'built')).toMatchObject({
      kind: 'exit',
      code: 0,
      files: [{ path: 'said', size: 10 }],
    });
    const again = await attempt(dir);
    expect(again.code, again.report).toBe(0);
    expect(again.out).toContain('1 dependency, kept from an earlier build\n');
    expect(asked).toEqual(['/one/-/one-1.0.0.tgz']);
  });

  it('builds with it in gVisor too', async () => {
    const one = await npmPackage('one', '1.0.0');
    const { url } = await registry({ '/one/-/one-1.0.0.tgz': one });
    const dir = await repository(job('[package-lock.json]'), npmProject(url, { one: sri('sha512', one) }));
    const answer = await attempt(dir, '--tier', 'gvisor', '--json');
    expect(answer.code, answer.report).toBe(0);
    expect(event(answer, 'built')).toMatchObject({ code: 0, files: [{ path: 'said', size: 10 }] });
  });

  it('refuses what is not what the lock file names, with its line, and builds nothing', async () => {
    const one = await npmPackage('one', '1.0.0');
    const { url } = await registry({ '/one/-/one-1.0.0.tgz': await npmPackage('one', '1.0.1') });
    const dir = await repository(job('[package-lock.json]'), npmProject(url, { one: sri('sha512', one) }));
    const answer = await attempt(dir);
    expect(answer.code, answer.report).toBe(1);
    expect(codeIn(answer.err)).toBe('DEPENDENCIES_DAMAGED');
    expect(answer.err).toMatch(/package-lock\.json:1: pkg:npm\/one@1\.0\.0 is not what the lock file names/);
    expect(answer.out).toBe('');
  });

  it.each([
    ['a lock file that is not there', '[package-lock.json]', 'LOCK_NOT_FOUND'],
    ['a lock file of a tool that is not read', '[poetry.lock]', 'LOCK_UNSUPPORTED'],
    ['a path that leads out', '[../package-lock.json]', 'JOBFILE_INVALID'],
  ])('refuses %s', async (_, locks, code) => {
    const answer = await attempt(await repository(job(locks)));
    expect(codeIn(answer.err), answer.report).toBe(code);
    expect(answer.code).toBe(2);
  });
});
