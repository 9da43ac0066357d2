import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { QuorateError } from '../protocol/base/errors.ts';
import type { ProjectFolder } from './project-folder.ts';

export function findUp(start: string, name: string): string | undefined {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, name))) return folder;
    if (dirname(folder) === folder) return undefined;
  }
}

/** The project folder at or above `start`. It must hold a charter: `~/.quorate` is a home folder. */
export function findProject(start: string): string | undefined {
  return findUp(start, join('.quorate', 'charter.jws'));
}

/** Opens the project folder at or above `start`; undefined where there is none, or it is of another project than the wanted one. */
export async function ownProject(start: string, wanted?: string): Promise<ProjectFolder | undefined> {
  const own = findProject(start);
  if (own === undefined) return undefined;
  const { openProjectFolder } = await import('./project-folder.ts');
  const folder = await openProjectFolder(own);
  return wanted === undefined || wanted === folder.project ? folder : undefined;
}

/** Opens the project folder at or above `cwd`. @throws {QuorateError} `PROJECT_NOT_FOUND` */
export async function openProject(cwd: string): Promise<ProjectFolder> {
  const folder = await ownProject(cwd);
  if (folder !== undefined) return folder;
  throw new QuorateError('PROJECT_NOT_FOUND', `you are in no project: there is none in ${cwd} or above`, {
    hint: 'Go to the repository of your project. To make one of a repository: quorate init',
  });
}
