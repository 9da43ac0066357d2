import { mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { committedFile } from '../../src/source/index.ts';
import { codeOf, commitAll, folder, git, repo } from './support.ts';

it('a file is where it is committed: its repository, commit and path', async () => {
  const dir = await repo();
  await mkdir(join(dir, 'of'));
  await writeFile(join(dir, 'of', 'a.yaml'), 'a');
  await writeFile(join(dir, 'b'), 'b');
  const commit = commitAll(dir);
  git(dir, 'remote', 'add', 'origin', 'https://git.example/recipes.git');
  // Others may have changed meanwhile.
  await writeFile(join(dir, 'b'), 'changed');
  const found = { path: 'of/a.yaml', repository: { commit, remoteUrl: 'https://git.example/recipes.git' } };
  expect(await committedFile(join(dir, 'of', 'a.yaml'))).toMatchObject(found);
  // Written again with the same bytes.
  await writeFile(join(dir, 'of', 'a.yaml'), 'a');
  expect(await committedFile(join(dir, 'of', 'a.yaml'))).toMatchObject(found);
  const by = join(await realpath(await folder()), 'by');
  await symlink(join(dir, 'of'), by);
  expect(await committedFile(join(by, 'a.yaml'))).toMatchObject(found);
});

it('a file that is not in the commit as it is here is refused', async () => {
  const dir = await repo();
  await writeFile(join(dir, '.gitignore'), 'ignored.yaml\n');
  await writeFile(join(dir, 'a*.yaml'), 'a');
  await writeFile(join(dir, 'ab.yaml'), 'a');
  await writeFile(join(dir, 'staged.yaml'), 'a');
  commitAll(dir);
  await writeFile(join(dir, 'ab.yaml'), 'changed');
  await writeFile(join(dir, 'ignored.yaml'), 'a');
  await writeFile(join(dir, 'new.yaml'), 'a');
  await writeFile(join(dir, 'staged.yaml'), 'staged');
  git(dir, 'add', 'staged.yaml');
  const alone = join(await folder(), 'alone.yaml');
  await writeFile(alone, 'a');
  for (const file of ['ab.yaml', 'ignored.yaml', 'new.yaml', 'staged.yaml'].map((name) => join(dir, name)))
    expect(await codeOf(committedFile(file)), file).toBe('SOURCE_FILE_NOT_COMMITTED');
  expect(await codeOf(committedFile(alone))).toBe('SOURCE_FILE_NOT_COMMITTED');
  // A name with a star is no pattern.
  expect((await committedFile(join(dir, 'a*.yaml'))).path).toBe('a*.yaml');
});
