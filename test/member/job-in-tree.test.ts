import { describe, expect, it } from 'vitest';
import { changedPaths } from '../../src/execution/changed-paths.ts';
import { asSourceError } from '../../src/execution/import-source.ts';
import { fetchableUrl } from '../../src/execution/source-url.ts';
import { parseJobFile } from '../../src/jobfile/index.ts';
import { chooseJob, chosenJobs, jobFileBytes, jobFileInTree, jobOf } from '../../src/member/job-in-tree.ts';
import { QuorateError } from '../../src/protocol/base/errors.ts';
import { limits } from '../../src/protocol/base/limits.ts';
import { jobFile } from '../e2e/support/jobs.ts';
import { store, tar } from '../store/support.ts';
import { withLimits } from '../support/with-limits.ts';

const { signal } = new AbortController();
const one = jobFile({ run: ['true'] });
const matrix = one.replace('    image: host\n', '    image: host\n    matrix: {os: [a, b]}\n');

it('a job file of a tree that is too large is not read', async () => {
  const resolve = async () => ({ kind: 'file', size: 2 ** 40, cid: 'x' });
  const huge = { resolve, readBytes: async () => Promise.reject(new Error('it was read')) };
  const read = jobFileBytes(huge as never, 'tree', 'a', { named: 'a', what: 'a', hint: '' });
  await expect(read).rejects.toMatchObject({ code: 'JOBFILE_INVALID' });
});

describe('the job of a file', () => {
  it('is the only one, or the one that is named', () => {
    const file = parseJobFile(one, 'quorate.yaml');
    const [{ name } = { name: '' }] = file.instances;
    expect(chooseJob(file, undefined).name).toBe(name);
    expect(chooseJob(file, name).name).toBe(name);
    expect(jobOf(file, { name }).name).toBe(name);
    expect(() => jobOf(file, { name: 'other' })).toThrow('a job file has a job for each of its instances');
    expect(() => chooseJob(file, 'other')).toThrow(
      expect.objectContaining({ code: 'JOBFILE_JOB_NOT_FOUND', hint: `It has: ${name}` }),
    );
  });

  it('is none of several, and each combination of a matrix is one', () => {
    const file = parseJobFile(matrix, 'quorate.yaml');
    const names = file.instances.map(({ name }) => name);
    expect(names).toHaveLength(2);
    const template = file.instances[0]?.template.name ?? '';
    expect(chosenJobs(file, template)).toHaveLength(2);
    expect(chooseJob(file, names[1]).name).toBe(names[1]);
    for (const wanted of [undefined, template])
      expect(() => chooseJob(file, wanted)).toThrow(
        expect.objectContaining({ code: 'JOBFILE_JOB_NOT_FOUND' }),
      );
  });
});

describe('the job file of a tree', () => {
  const importing = async (files: Record<string, string>) => {
    const s = await store();
    const entries = await tar(Object.entries(files).map(([name, body]) => ({ name, body })));
    return { s, tree: (await s.importTar(entries, { into: s.public })).root };
  };
  const where = { where: 'the commit', named: (file: string) => `${file} at c0ffee`, hint: 'Write one.' };

  it('has one of two names, the first of them first', async () => {
    const { s, tree } = await importing({ 'quorate.yaml/x': '', 'quorate.yml': one });
    expect((await jobFileInTree(s, tree, where)).instances).toHaveLength(1);
    const both = await importing({ 'quorate.yaml': matrix, 'quorate.yml': one });
    expect((await jobFileInTree(both.s, both.tree, where)).instances).toHaveLength(2);
  });

  it('is missed, or refused where it is none or too large', async () => {
    const { s, tree } = await importing({ 'quorate.json': one });
    await expect(jobFileInTree(s, tree, where)).rejects.toMatchObject({
      code: 'JOBFILE_NOT_FOUND',
      message: 'the commit has no quorate.yaml',
      hint: 'Write one.',
    });
    const at = { named: 'x', what: 'x of y', hint: 'h' };
    await expect(jobFileBytes(s, tree, 'x', at)).rejects.toMatchObject({ code: 'JOBFILE_NOT_FOUND' });
    expect(String(Buffer.from(await jobFileBytes(s, tree, 'quorate.json', at)))).toBe(one);
    const large = await importing({ 'quorate.yaml': '#'.repeat(4_000_000) });
    await expect(jobFileInTree(large.s, large.tree, where)).rejects.toMatchObject({
      code: 'JOBFILE_INVALID',
    });
  });

  it('counts among what differs from a base, as many files as a tree may have', async () => {
    const s = await store();
    const of = async (...names: string[]) =>
      (await s.importTar(await tar(names.map((name) => ({ name, body: name }))), { into: s.public })).root;
    const [base, tree] = [await of('a', 'd/x', 'd/y', 'gone/z'), await of('a', 'd/x', 'd/w', 'gone')];
    const paths = () => changedPaths(s, base, tree, signal);
    expect((await paths()).sort()).toEqual(['d/w', 'd/y', 'gone', 'gone/z']);
    withLimits(limits, { treeEntriesMax: 4 });
    expect(await paths()).toHaveLength(4);
    withLimits(limits, { treeEntriesMax: 3 });
    await expect(paths()).rejects.toMatchObject({ code: 'STORE_TREE_TOO_LARGE' });
  });
});

describe('an error of a source', () => {
  const error = (code: string) => new QuorateError(code as never, 'why');

  it.each([
    ['STORE_TREE_TOO_LARGE', 'SOURCE_TOO_LARGE'],
    ['STORE_PATH_INVALID', 'SOURCE_TREE_REFUSED'],
    ['STORE_DISK_FULL', 'STORE_DISK_FULL'],
    ['SOURCE_TIMEOUT', 'SOURCE_TIMEOUT'],
  ])('of the store is one of the source: %s is %s', (code, expected) => {
    expect(asSourceError(error(code), 'commit c')).toMatchObject({ code: expected });
  });

  it('of another kind stays what it is, and ssh is refused', () => {
    const plain = new Error('x');
    expect(asSourceError(plain, 'commit c')).toBe(plain);
    expect(() => fetchableUrl('ssh://git@host.example/x')).toThrow(
      expect.objectContaining({ code: 'SOURCE_PROTOCOL_REFUSED' }),
    );
    expect(fetchableUrl('https://host.example/x').host).toBe('host.example');
  });
});
