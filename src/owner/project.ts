import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { QuorateError } from '../protocol/base/errors.ts';
import { checkOwnPlayed, playedOf } from './played.ts';
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

/** The repository at or above `start` whose project `quorate up` plays, or has played. */
export const findPlayed = (start: string): string | undefined =>
  findUp(start, playedOf('.').concat('/.quorate/charter.jws'));

/** Opens the owner's project folder at or above `start`; undefined where there is none. */
export const ownProject = (start: string): Promise<ProjectFolder | undefined> =>
  firstOf([findProject(start)], undefined);

/** The same of the wanted project, of whichever is in use: what `quorate up` plays goes first while it runs, and last when it does not. */
export async function projectHere(start: string, wanted?: string): Promise<ProjectFolder | undefined> {
  const [own, played] = [findProject(start), findPlayed(start)];
  const homes = played === undefined ? undefined : playedOf(played);
  if (played !== undefined) await checkOwnPlayed(played);
  // A repository within that of the other goes first.
  if (played === undefined || (own !== undefined && own.length > played.length))
    return firstOf([own, homes], wanted);
  const { servedSource } = await import('./served-source.ts');
  const runs = (await servedSource(played)) !== undefined;
  return firstOf(runs ? [homes, own] : [own, homes], wanted);
}

async function firstOf(
  places: readonly (string | undefined)[],
  wanted: string | undefined,
): Promise<ProjectFolder | undefined> {
  for (const place of places) {
    if (place === undefined) continue;
    const { openProjectFolder } = await import('./project-folder.ts');
    const folder = await openProjectFolder(place);
    if (wanted === undefined || wanted === folder.project) return folder;
  }
  return undefined;
}

/** Opens the owner's project folder at or above `cwd`. @throws {QuorateError} `PROJECT_NOT_FOUND` */
export async function openProject(cwd: string): Promise<ProjectFolder> {
  const folder = await ownProject(cwd);
  if (folder !== undefined) return folder;
  const played =
    findPlayed(cwd) === undefined ? '' : ' that is yours; what quorate up plays is for trying out';
  throw new QuorateError(
    'PROJECT_NOT_FOUND',
    `you are in no project${played}: there is none in ${cwd} or above`,
    { hint: 'Go to the repository of your project. To make one of a repository: quorate init' },
  );
}
