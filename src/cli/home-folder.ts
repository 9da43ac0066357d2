import { existsSync, statfsSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { QuorateError } from '../protocol/base/errors.ts';

/** statfs(2) of /proc. A folder that is made there is reported as made, and is not there. */
const procMagic = 0x9fa0;
const hint = 'Name a folder: --home <folder>, or QUORATE_HOME.';

/** The folder for keys, memberships and artifacts: the one that was given, or .quorate in the user's home. Throws `CLI_USAGE`. */
export function homeFolder(given: string | undefined, userHome: string): string {
  if (given === undefined && !isAbsolute(userHome))
    throw new QuorateError('CLI_USAGE', `HOME names no folder: "${userHome.slice(0, 200)}"`, { hint });
  const folder = resolve(given ?? join(userHome, '.quorate'));
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  if (statfsSync(there).type === procMagic)
    throw new QuorateError(
      'CLI_USAGE',
      `there can be no folder ${folder}: ${there} is on a proc file system, which keeps no files`,
      {
        hint,
      },
    );
  return folder;
}
