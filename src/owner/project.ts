import { join } from 'node:path';
import { QuorateError } from '../protocol/base/errors.ts';
import { checkNotCommitted, closedFolder, findUp, isMine, repositoriesAround } from './own-folder.ts';
import { checkOwnPlayed, playedOf } from './played.ts';
import type { ProjectFolder } from './project-folder.ts';

/**
 * The folder at or above `start` with this below its `.quorate`. Around the repository of `start`, as in /tmp, others may put one: theirs is
 * passed over. So is, in the repository too, one that cannot be read where `mayBeClosed`. @throws {QuorateError} `SOURCE_OTHER_USER`, `HOME_UNREADABLE`
 */
function findOwn(start: string, name: string, mayBeClosed = false): string | undefined {
  const [inner] = repositoriesAround(start);
  const top = (inner ?? start).length;
  const found = findUp(
    start,
    join('.quorate', name),
    (folder) => folder.length >= top || isMine(join(folder, '.quorate')),
  );
  if (mayBeClosed || inner === undefined) return found;
  let closed: QuorateError | undefined;
  findUp(start, '.quorate', (folder) => {
    if (folder.length < top || folder.length <= (found?.length ?? 0)) return false;
    closed = closedFolder(join(folder, '.quorate'));
    return closed !== undefined;
  });
  if (closed !== undefined) throw closed;
  return found;
}

/** It must hold a charter: `~/.quorate` is a home folder. */
const locateProject = (start: string, mayBeClosed?: boolean): string | undefined =>
  findOwn(start, 'charter.jws', mayBeClosed);

/** The project folder at or above `start`, of which nothing came with a repository. @throws as of `findOwn` and `checkNotCommitted` */
export async function findProject(start: string): Promise<string | undefined> {
  const found = locateProject(start);
  if (found !== undefined) await checkNotCommitted(join(found, '.quorate'));
  return found;
}

/** `.quorate` of the same, else of `cwd` itself, where it need not be yet. @throws as of `checkNotCommitted` */
export async function keysFolder(cwd: string): Promise<string> {
  const dir = join(locateProject(cwd) ?? cwd, '.quorate');
  await checkNotCommitted(dir);
  return dir;
}

/** The repository at or above `start` whose project `quorate up` plays, or has played. To use any of it: `playedHere`. */
const findPlayed = (start: string, mayBeClosed?: boolean): string | undefined =>
  findOwn(start, join('up', '.quorate', 'charter.jws'), mayBeClosed);

/** The same, of which all is this user's own. @throws as of `checkOwnPlayed` */
export async function playedHere(start: string): Promise<string | undefined> {
  const played = findPlayed(start);
  if (played !== undefined) await checkOwnPlayed(played);
  return played;
}

/**
 * The same of the wanted project, of whichever is in use: what `quorate up` plays goes first while it runs, and last when it does not. A folder
 * that cannot be read may be of any project: it is passed over where one is wanted, and where none is needed. @throws as of `findProject`
 */
export async function projectHere(
  start: string,
  wanted?: string,
  mayBeClosed = wanted !== undefined,
): Promise<ProjectFolder | undefined> {
  const [own, played] = [locateProject(start, mayBeClosed), findPlayed(start, mayBeClosed)];
  const homes = played && playedOf(played);
  // A repository within that of the other goes first; in the folder of what is played there is none.
  const isNearer = own !== undefined && own !== homes && own.length > (played?.length ?? 0);
  const nearer = isNearer ? await firstOf([own], wanted) : undefined;
  if (nearer !== undefined || played === undefined) return nearer;
  await checkOwnPlayed(played);
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

/** Opens the owner's project folder at or above `cwd`. @throws {QuorateError} `PROJECT_NOT_FOUND`, and as of `openProjectFolder` */
export async function openProject(cwd: string): Promise<ProjectFolder> {
  const folder = await firstOf([locateProject(cwd)], undefined);
  if (folder !== undefined) return folder;
  const played =
    findPlayed(cwd) === undefined ? '' : ' that is yours; what quorate up plays is for trying out';
  const theirs = findUp(cwd, join('.quorate', 'charter.jws'));
  const passed = theirs === undefined ? '' : `; that in ${theirs} is of another user`;
  throw new QuorateError(
    'PROJECT_NOT_FOUND',
    `you are in no project${played}: there is none in ${cwd} or above${passed}`,
    { hint: 'Go to the repository of your project. To make one of a repository: quorate init' },
  );
}
