import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, QuorateError } from '../protocol/base/errors.ts';
import { checkNotCommitted, repositoryAt } from './own-folder.ts';

/** The folder of the project that `quorate up` plays for the repository at `root`: its keys, runs and members are no other project's. */
export const playedOf = (root: string): string => join(root, '.quorate', 'up');

/** Where the members of the project in `dir` are at home, if `quorate up` plays it; undefined of any other. */
export function playedHomes({ dir }: { dir: string }): string | undefined {
  const homes = dirname(dir);
  return homes === playedOf(dirname(dirname(homes))) ? homes : undefined;
}

/**
 * Keys, members and settings of what is played are of this user: none came with the repository, and no other user put them there.
 * @throws {QuorateError} `PROJECT_FOREIGN`, SOURCE_…
 */
export async function checkOwnPlayed(root: string): Promise<void> {
  const homes = playedOf(root);
  const found = await stat(homes).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined;
    throw error;
  });
  if (found !== undefined && found.uid !== process.getuid?.())
    throw new QuorateError('PROJECT_FOREIGN', `${homes} is of another user`, {
      hint: 'quorate up plays a project of your own in a clone of your own.',
    });
  repositoryAt(root);
  await checkNotCommitted(join(root, '.quorate'));
}
