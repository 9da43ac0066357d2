import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openSource } from '../../../src/cli/up/local-source.ts';
import { initProject, openProjectFolder } from '../../../src/owner/project-folder.ts';
import { folder } from '../../support/code-and-folder.ts';

it('the end of one that was never ready leaves the file of another', async () => {
  const { dir } = await initProject(await folder(), { name: 'tools', vcs: [], bootstrap: [] });
  const first = await openSource(await openProjectFolder(dir));
  onTestFinished(() => first.close());
  await first.announce();
  const second = await openSource(await openProjectFolder(dir));
  await second.close();
  expect(existsSync(join(dir, 'up.json'))).toBe(true);
  await first.close();
  expect(existsSync(join(dir, 'up.json'))).toBe(false);
});
