import { execFileSync } from 'node:child_process';
import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openPlayed } from '../../../src/cli/up/played-project.ts';
import { sourceOf } from '../../../src/client/commands/run.ts';
import { openJournal } from '../../../src/journal/index.ts';
import { tellServed } from '../../../src/owner/served-source.ts';
import { folder, repository } from '../../cli/support.ts';
import { commitAll, repo } from '../../source/support.ts';

describe('the source that run builds', () => {
  it('takes a plain word that is no folder for the name of a job, and says how to give one', async () => {
    await expect(sourceOf(folder(), 'build', {})).rejects.toMatchObject({
      code: 'CLI_USAGE',
      hint: 'If it is a job of quorate.yaml: quorate run --job build',
    });
  });

  it('leaves what may be a URL to git', async () => {
    for (const url of ['git://127.0.0.1/x', 'git@example.org:x.git', '../gone'])
      expect((await sourceOf(folder(), url, {})).repo.url).toBe(url);
  });

  it('takes no address of what quorate up plays from a folder in which it came with the repository', async () => {
    const root = await repo();
    commitAll(root);
    const { dir } = await openPlayed(root);
    await tellServed(root, { url: 'git://127.0.0.1:1/tools', pid: process.pid });
    const journal = openJournal(join(dir, 'controller.db'), { name: 'controller', rules: 3 });
    onTestFinished(() => journal.close());
    expect((await sourceOf(folder(), root, {})).repo.url).toBe('git://127.0.0.1:1/tools');
    execFileSync('git', ['-C', root, 'add', '-f', '.quorate/up/up.json']);
    const refused = () =>
      expect(sourceOf(folder(), root, {})).rejects.toMatchObject({ code: 'PROJECT_FOREIGN' });
    await refused();
    // It is not read: it may be a link to /dev/zero.
    await rm(join(dir, '../up.json'));
    await symlink('.', join(dir, '../up.json'));
    await refused();
  });

  it('knows which commit lies here, unless another ref or server is asked for', async () => {
    const repo = repository();
    const git = (...args: string[]) => execFileSync('git', args, { cwd: repo, encoding: 'utf8' }).trim();
    git('-c', 'user.name=a', '-c', 'user.email=a@example.org', 'commit', '-q', '--allow-empty', '-m', 'x');
    git('remote', 'add', 'origin', 'git://127.0.0.1/x');
    const here = git('rev-parse', 'HEAD');
    expect(await sourceOf(repo, undefined, {})).toMatchObject({ here });
    expect((await sourceOf(repo, undefined, { ref: 'v1' })).here).toBeUndefined();
    expect((await sourceOf(repo, undefined, { url: 'git://127.0.0.1/y' })).here).toBeUndefined();
  });
});
