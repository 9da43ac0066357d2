import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openPlayed } from '../../../src/cli/up/played-project.ts';
import { openJournal } from '../../../src/journal/index.ts';
import { controllerAdvice, membershipFor, withAdvice } from '../../../src/member/commands/project-client.ts';
import { initProject, startHint, writeAddress } from '../../../src/owner/project-folder.ts';
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
  expect(await controllerAdvice({ cwd: root }, own.project)).toBe(startHint);
  await rm(join(own.dir, 'controller.key'));
  expect(await controllerAdvice({ cwd: root }, own.project)).toBeUndefined();
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

it('an owner who is no publisher yet is told so as well, once', async () => {
  const root = await repo();
  const { dir, controller } = await initProject(root, { name: 'tools', vcs: [], bootstrap: [] });
  const { signal } = new AbortController();
  const context = { cwd: root, home: await folder(), signal, out: { note() {} } } as never;
  const error = () => membershipFor(context, undefined).catch((cause: unknown) => cause);
  expect(await error()).toMatchObject({ code: 'CONTROLLER_UNREACHABLE', hint: startHint });
  await writeAddress(dir, [`/ip4/127.0.0.1/tcp/1/p2p/${controller.id}`]);
  expect(await error()).toMatchObject({
    code: 'CONTROLLER_UNREACHABLE',
    hint: expect.stringMatching(`^Tried: .* reachable from here\\? ${startHint}$`),
  });
});
