import { readdir } from 'node:fs/promises';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { JobSpec } from '../../src/jobfile/index.ts';
import { fetchTrees } from '../../src/member/dependencies.ts';
import { npmProject } from '../dependencies/registry.ts';
import { codeOf, folder } from '../support/code-and-folder.ts';

it('jobs with the same lock files share a tree, one without has none, and nothing is left', async () => {
  const { 'package-lock.json': lock = '' } = npmProject('https://registry.example', {});
  const temporary = await folder();
  vi.stubEnv('TMPDIR', temporary);
  onTestFinished(() => void vi.unstubAllEnvs());
  const left = async () =>
    (await readdir(temporary)).filter((name) => name.startsWith('quorate-run-')).length;
  const files = new Map([
    ['package-lock.json', Buffer.from(lock)],
    ['b/package-lock.json', Buffer.from(lock)],
    ['damaged/package-lock.json', Buffer.from('{')],
  ]);
  const job = (...dependencies: string[]) => (dependencies.length === 0 ? {} : { dependencies }) as JobSpec;
  const options = {
    home: await folder(),
    env: {},
    allowPrivate: false,
    onProgress: () => {},
    signal: AbortSignal.timeout(120_000),
  };
  const [one, same, none] = [job('package-lock.json'), job('package-lock.json'), job()] as const;
  const other = job('package-lock.json', 'b/package-lock.json');
  const fetched = await fetchTrees([one, same, none, other], files, options);
  const { store, trees } = fetched;
  expect(new Set(trees).size).toBe(2);
  expect(fetched.of(one)).toEqual({ locks: ['package-lock.json'], tree: trees[0] });
  expect(fetched.of(same)).toEqual(fetched.of(one));
  expect(fetched.of(other)).toEqual({ locks: ['package-lock.json', 'b/package-lock.json'], tree: trees[1] });
  expect(fetched.of(none)).toBeUndefined();
  expect(() => fetched.of(job('b/package-lock.json'))).toThrow('what each of the jobs demands was fetched');
  for (const tree of trees) expect(await store.has(tree)).toBe(true);
  expect(await left()).toBe(1);
  await fetched.close();
  expect(await left()).toBe(0);
  expect(await codeOf(() => fetchTrees([job('damaged/package-lock.json')], files, options))).toMatch(
    /^LOCK_/,
  );
  expect(await left()).toBe(0);
});
