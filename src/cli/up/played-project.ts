import { existsSync } from 'node:fs';
import { rm, rmdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasJobs } from '../../../sandbox/index.ts';
import { firstCharter } from '../../owner/commands/init.ts';
import { playedOf } from '../../owner/played.ts';
import {
  changeCharter,
  initProject,
  openProjectFolder,
  type ProjectFolder,
} from '../../owner/project-folder.ts';
import { hasCode } from '../../protocol/base/errors.ts';
import { portsBefore } from './local-source.ts';

/** Name, servers and policies of the charter that is played: those of the project's own, or of the one that it would have. */
export async function charterToPlay(root: string) {
  const own = existsSync(join(root, '.quorate', 'charter.jws')) ? await openProjectFolder(root) : undefined;
  const charter = own?.charter ?? { ...(await firstCharter(root, {})), recipes: undefined };
  const { name, vcs, floor, testFloor = floor, recipes = 'own' as const } = charter;
  return { name, vcs, floor, testFloor, recipes };
}

/**
 * The project that is played for the repository at `root`, with the name, servers and policies that its own has, or would have. It has
 * keys of its own: whatever is trusted in it is trusted in no other project, and removing its folder leaves no trace.
 * @throws as of `initProject` and `changeCharter`
 */
export async function openPlayed(root: string): Promise<ProjectFolder> {
  const { name, vcs, floor, testFloor, recipes } = await charterToPlay(root);
  const homes = playedOf(root);
  const dir = join(homes, '.quorate');
  if (!existsSync(join(dir, 'charter.jws'))) await initProject(homes, { name, vcs, bootstrap: [] });
  // Its jobs build in the images of the repository.
  await symlink(join('..', '..', 'images'), join(dir, 'images')).catch((error: unknown) => {
    if (!hasCode(error, 'EEXIST')) throw error;
  });
  const folder = await openProjectFolder(homes);
  const servers = new Set([...vcs, ...portsBefore(folder.charter).map((port) => `127.0.0.1:${port}`)]);
  await changeCharter(folder, { vcs: [...servers], floor, testFloor, recipes });
  return openProjectFolder(homes);
}

/** Where the sandboxes of all that is played keep their state. */
export const sandboxOf = (root: string): string => join(playedOf(root), 'sandbox');

/** Removes what was made before the first consent. Where another `quorate up` has begun meanwhile or looks at the machine, or settings are there, these stay. */
export async function discardUnbegun(root: string): Promise<void> {
  const homes = playedOf(root);
  if (existsSync(join(homes, '.quorate'))) return;
  if (await hasJobs(sandboxOf(root))) return;
  await rm(sandboxOf(root), { recursive: true, force: true });
  for (const folder of [homes, dirname(homes)])
    await rmdir(folder).catch((error: unknown) => {
      if (!hasCode(error, 'ENOTEMPTY', 'ENOENT')) throw error;
    });
}
