import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { checkVersions } from '../../src/cli/version-checks.ts';
import { ControllerControl } from '../../src/controller/node/control.ts';
import { initProject } from '../../src/owner/project-folder.ts';
import { projectOf } from '../controller/machine/bench.ts';

it('names the revocations that lapsed with a key that was ended before an end could say what stays', async () => {
  const repo = await mkdtemp(join(tmpdir(), 'quorate-'));
  onTestFinished(() => rm(repo, { recursive: true, force: true }));
  const { dir, project } = await initProject(repo, {
    name: 'tools',
    vcs: ['git.example.org'],
    bootstrap: [],
  });
  const bench = await projectOf('ada');
  await bench.revoke({ kind: 'operator', id: 'ada' }, { reason: 'ours' });
  const { state } = bench.controller;
  const control = new ControllerControl({
    dir,
    project,
    state,
    dispatch: async () => {},
    tell: () => {},
    stop: () => {},
  });
  await control.open();
  onTestFinished(() => control.close());
  const found = async () => (await checkVersions(join(repo, 'home'), repo)).map(({ ok }) => ok);
  expect(await found()).toEqual([true, true]);
  await bench.revoke({ kind: 'key', id: bench.id('idp') }, { as: 'root' });
  state.lapsed = state.revocations.slice(0, 1).map(({ revocation }) => revocation.id);
  const checks = await checkVersions(join(repo, 'home'), repo);
  expect(checks).toContainEqual(
    expect.objectContaining({
      name: 'revocations of this project',
      ok: false,
      found: expect.stringMatching(/\(operator ada\)/),
      fix: expect.stringMatching(/quorate revoke/),
    }),
  );
});
