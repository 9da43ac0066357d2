import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openPlayed } from '../../../src/cli/up/played-project.ts';
import { openJournal } from '../../../src/journal/index.ts';
import { controllerAdvice, withAdvice } from '../../../src/member/commands/project-client.ts';
import { initProject } from '../../../src/owner/project-folder.ts';
import { tellServed } from '../../../src/owner/served-source.ts';
import { reportedError } from '../../../src/protocol/base/errors.ts';
import { repo } from '../../source/support.ts';
import { folder } from '../../support/code-and-folder.ts';

it('an owner whose controller went away is told what starts it, others are not', async () => {
  const root = await repo();
  const { project, dir } = await openPlayed(root);
  expect(await controllerAdvice({ cwd: root }, project)).toMatch(/quorate up .*has ended: start it again/);
  const gone = reportedError('CONTROLLER_LOST', 'lost', { hint: 'Jobs go on.' });
  expect(await withAdvice({ cwd: root }, project, gone)).toMatchObject({
    code: 'CONTROLLER_LOST',
    hint: expect.stringMatching(/^Jobs go on. quorate up/),
  });
  for (const code of ['MESH_FULL', 'MESH_PEER_QUOTA', 'JOB_UNKNOWN']) {
    const other = reportedError(code, 'x');
    expect(await withAdvice({ cwd: root }, project, other)).toBe(other);
  }
  await tellServed(root, { url: 'git://127.0.0.1:1/tools', pid: process.pid });
  const journal = openJournal(join(dir, 'controller.db'), { name: 'controller', rules: 3 });
  onTestFinished(() => journal.close());
  expect(await controllerAdvice({ cwd: root }, project)).toBeUndefined();
  const own = await initProject(root, { name: 'tools', vcs: [], bootstrap: [] });
  expect(await controllerAdvice({ cwd: root }, own.project)).toMatch(/quorate controller, or quorate up$/);
  const elsewhere = await folder();
  expect(await controllerAdvice({ cwd: elsewhere }, project)).toBeUndefined();
  expect(await withAdvice({ cwd: elsewhere }, project, gone)).toBe(gone);
  // Its home was removed while it asked.
  const home = { dir: join(root, '.quorate/up/owner') };
  await mkdir(home.dir);
  expect(await withAdvice({ cwd: elsewhere }, project, gone, home)).toBe(gone);
  await rm(join(root, '.quorate/up'), { recursive: true });
  expect(await withAdvice({ cwd: root }, project, gone, home)).toMatchObject({
    hint: expect.stringMatching(/^\S+up was removed, and its jobs are lost: end the quorate up /),
  });
});
